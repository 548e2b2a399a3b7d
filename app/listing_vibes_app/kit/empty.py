"""Empty states: why there is nothing here, and the way out."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from listing_vibes_app.server.pages import page_file
from listing_vibes_app.view.formats import plain


def to_similar() -> None:
    """The way on where a page cannot show anything of this run or market."""
    st.page_link(page_file("similar"), label="Go to similar listings", icon=":material/grid_view:")


def empty(
    title: str,
    why: str,
    *,
    icon: str = ":material/info:",
    action: str = "",
    on_click: Callable[..., Any] | None = None,
    args: tuple[Any, ...] = (),
    key: str = "way-out",
) -> None:
    """A calm box that says what is missing and why, with a button that leads on where `action` names one."""
    with st.container(border=True):
        st.markdown(f"**{icon} {plain(title)}**")
        st.markdown(plain(why))
        if action:
            st.button(action, on_click=on_click, args=args, key=key)
