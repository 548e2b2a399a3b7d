"""Presenting: views that a person pinned, with notes, one after the other and nothing else on the screen.

Pins lie in the viewer's own browser: another viewer of the same server has others, and nothing is written on the server.
"""

import streamlit as st

from app.kit.component import component

_component = component(__file__, '<div class="presenter"></div>')


def presenter(title: str) -> None:
    """The line with "Pin this view" and "Pinned views" at the foot of a page, and what is shown while presenting."""
    with st.container(key="presenter"):
        _component(key="presenter-line", data={"title": title})
