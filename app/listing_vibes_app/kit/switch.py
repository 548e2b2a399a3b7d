"""A choice of a few, kept in the URL."""

from typing import Any

import streamlit as st

from listing_vibes_app.server.params import chosen, keep


def switch(label: str, key: str, options: dict[str, str], default: str, **more: Any) -> str:
    """Draw the options (label by value) side by side; the value that the URL or a click chose, else `default`.

    `more` goes to `st.segmented_control`.
    """
    st.session_state[key] = chosen(key, list(options), default)
    st.segmented_control(
        label,
        list(options),
        key=key,
        format_func=options.__getitem__,
        required=True,
        on_change=keep,
        args=(key, key, default),
        **more,
    )
    return str(st.session_state[key])
