"""The state of a page in its URL, so that every view has a link: reading parameters, and widgets that write them.

Streamlit's `bind="query-params"` (1.67) is not used: it writes the labels of options instead of their values, and it
rejects other writers of a bound parameter, such as a button that clears it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from listing_vibes.insight.selection import params as address
from listing_vibes_app.view.formats import shorten

_UNUSED = "unused-parameters"
_LONGEST = 60  # characters of a parameter in a message


def report_unused(sentence: str, part: str = "") -> None:
    """Add a notice about a part of the link that the page cannot use, once for each `part` (see `quoted`)."""
    st.session_state.setdefault(_UNUSED, {}).setdefault(part or sentence, sentence)


def take_unused() -> list[str]:
    """Return the notices since the last call, and remove them."""
    return list(st.session_state.pop(_UNUSED, {}).values())


def quoted(name: str, value: str) -> str:
    """Format a parameter as it stands in the URL."""
    return f"“{name}={shorten(value, _LONGEST)}”"


def read_choice(name: str, options: Sequence[str], default: str = "") -> str:
    """Return a parameter that must be one of `options`; otherwise return `default` and add a notice."""
    value = st.query_params.get(name, default)
    if value in options or value == default:
        return value
    part = quoted(name, value)
    shown = f"the page shows {quoted(name, default)}" if default else "it is left out"
    report_unused(f"The link has {part}, which does not exist here; {shown}.", part)
    return default


def read_number(name: str, default: int, low: int, high: int) -> int:
    """Return a parameter that must be a whole number, clipped to `low` and `high`; otherwise return `default` and add a notice."""
    params = st.query_params.to_dict()
    if name in params and not address.is_whole(params[name]):
        part = quoted(name, params[name])
        report_unused(f"The link has {part}, which is not a whole number; it is left out.", part)
    return address.whole(params, name, default, low, high)


def set_params(**values: Any) -> None:
    """Write query parameters; `None` removes one."""
    params = st.query_params.to_dict() | {name: str(value) for name, value in values.items()}
    params = {name: value for name, value in params.items() if values.get(name, value) is not None}
    if params != st.query_params.to_dict():
        st.query_params.from_dict(params)


def hold(key: str, value: Any, change: Callable[[Any], None], once: bool = False) -> dict[str, Any]:
    """Return the arguments of a widget that shows `value` and calls `change` with a new value.

    Args:
        once: set `value` only if it differs, so that typing or dragging is not interrupted while the page is drawn.
    """
    if not once or key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return {"key": key, "on_change": lambda: change(st.session_state[key])}


def bind(
    name: str,
    value: Any,
    default: Any = None,
    *,
    clears: Sequence[str] = (),
    write: Callable[[Any], Any] = str,
) -> dict[str, Any]:
    """Return the arguments of a widget that shows a query parameter and writes it.

    Args:
        name: of the parameter, and the widget's key.
        value: the current value from the URL.
        default: the value if the URL lacks the parameter.
        clears: other parameters that a change removes.
        write: formats a value as text.
    """

    def change(new: Any) -> None:
        text = None if new is None or new in ("", default) else write(new)
        set_params(**dict.fromkeys(clears), **{name: text})

    return hold(name, value, change)
