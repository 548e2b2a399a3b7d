"""The moment in a history up to which events are known."""

import streamlit as st

from listing_vibes_app.server.params import keep, whole


def as_of_event(total: int, help: str) -> int:
    """A slider over a history of `total` events, kept in the URL; how many of them are known, by default four fifths."""
    at = whole("at", max(1, total - max(1, total // 5)), 1, total)
    if total > 1:
        st.session_state["at"] = at
        st.slider("As of event", 1, total, key="at", on_change=keep, args=("at", "at"), help=help)
    return at
