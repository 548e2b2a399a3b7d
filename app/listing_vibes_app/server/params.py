"""The state of a page in its URL, so that every view has a link: reading parameters, and widgets that write them.

Streamlit's `bind="query-params"` (1.67) is not used: it writes the labels of options instead of their values, and it
rejects other writers of a bound parameter, such as a button that clears it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from listing_vibes.insight.selection.url_parameters import Params

_UNUSED = "unused-parameters"


def link(**more: str) -> Params:
    """Return the parameters of the URL, of which `more` replaces some; what is read from them and invalid is in `take_unused`."""
    return Params(st.query_params.to_dict() | more, st.session_state.setdefault(_UNUSED, []))


def take_unused() -> list[tuple[str, str]]:
    """Return the distinct invalid parameters since the last call, and remove them."""
    return list(dict.fromkeys(st.session_state.pop(_UNUSED, [])))


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
