"""The state of a page in its URL: reading parameters, and writing them from widgets."""

from typing import Any

import streamlit as st

from core.insight.selection import params as address


def chosen(name: str, options: list[str], default: str) -> str:
    """A query parameter that must be one of `options`; anything else reads as `default`."""
    value = st.query_params.get(name, default)
    return value if value in options else default


def whole(name: str, default: int, low: int, high: int) -> int:
    """A query parameter that must be a whole number, held within `low` and `high`."""
    return address.whole(dict(st.query_params), name, default, low, high)


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
