"""The state of a page in its URL: reading parameters, writing them from widgets, and what a link asks for in vain.

Streamlit's `bind="query-params"` (1.67) cannot serve: it writes labels where links, reports and notebooks have values, drops an
old `space=photos` or `unmet=1` without a word, and refuses every other writer of a parameter that is bound.
"""

from typing import Any

import streamlit as st

from listing_vibes.insight.selection import params as address
from listing_vibes_app.view.formats import shorten

_IN_VAIN = "asked-in-vain"
_LONGEST = 60  # characters of a link that are said again


def in_vain(sentence: str) -> None:
    """Have the page say what its link asks for and does not get; the same sentence is said once."""
    st.session_state.setdefault(_IN_VAIN, {})[sentence] = None


def take_in_vain() -> list[str]:
    """The sentences since they were last taken."""
    return list(st.session_state.pop(_IN_VAIN, ()))


def quoted(name: str, value: str) -> str:
    """A part of a link as the address has it."""
    return f"“{name}={shorten(value, _LONGEST)}”"


def chosen(name: str, options: list[str], default: str) -> str:
    """A query parameter that must be one of `options`; anything else reads as `default`, and the page says so."""
    value = st.query_params.get(name, default)
    if value in options or value == default:
        return value
    shown = f"shown is {quoted(name, default)}" if default else "it is left out"
    in_vain(f"The link asks for {quoted(name, value)}, which there is not here; {shown}.")
    return default


def whole(name: str, default: int, low: int, high: int) -> int:
    """A query parameter that must be a whole number, held within `low` and `high`; of anything else the page says so."""
    given = dict(st.query_params)
    if name in given and not address.is_whole(given[name]):
        in_vain(f"The link asks for {quoted(name, given[name])}, which is no whole number; it is left out.")
    return address.whole(given, name, default, low, high)


def set_params(**values: Any) -> None:
    """Write query parameters; `None` removes one."""
    params = dict(st.query_params)
    for name, value in values.items():
        if value is None:
            params.pop(name, None)
        else:
            params[name] = str(value)
    if params != dict(st.query_params):
        st.query_params.from_dict(params)


def keep(key: str, name: str, default: Any = None) -> None:
    """Callback of a widget: its value goes to the URL, where the next run of the page reads it."""
    value = st.session_state.get(key)
    set_params(**{name: None if value in (None, "", default) else value})
