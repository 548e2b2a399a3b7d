"""A choice of a few, kept in the URL."""

from typing import Any

import streamlit as st

from listing_vibes_app.server.params import chosen, keep, whole


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


def how_many(offered: list[int], most: int = 100, usual: int = 12) -> int:
    """Draw a choice of how long a list is; the number that the URL or a click chose, which need not be offered."""
    k = whole("k", usual, 1, most)
    st.session_state["k"] = k
    st.segmented_control(
        "How many", sorted({*offered, k}), key="k", required=True, on_change=keep, args=("k", "k", usual)
    )
    return k
