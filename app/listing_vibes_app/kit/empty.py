"""Empty states: why a page has nothing to show, and what to do."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from listing_vibes_app.kit.gallery import gallery, listing_card
from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.runs import OpenRun, rows_of
from listing_vibes_app.view.formats import plain


def empty(
    title: str,
    why: str,
    action: str = "",
    on_click: Callable[[], Any] | None = None,
    key: str = "way-out",
    icon: str = "info",
) -> None:
    """Show a box with what is missing and why, and with a button if `action` names one."""
    with st.container(border=True):
        st.markdown(f"**:material/{icon}: {plain(title)}**")
        st.markdown(plain(why))
        if action:
            st.button(action, on_click=on_click, key=key)


def unknown(what: str, name: str, action: str, on_click: Callable[[], Any]) -> None:
    """Show that a link names a listing or a user that this market does not have."""
    why = f"The link may belong to another market, or the {what} was removed."
    empty(f"There is no {what} “{name}” in this market", why, action, on_click, icon="link_off")


def to_similar() -> None:
    """Draw a link to similar listings, for a page that has nothing to show for this run or market."""
    st.page_link(page_file("similar"), label="Go to similar listings", icon=":material/grid_view:")


def popular(opened: OpenRun) -> None:
    """Show popular and recent listings."""
    st.header("Recommended", anchor=False)
    st.caption("There is no history to go by, so these are popular and recent listings.")
    rows = rows_of(opened, opened.run.recommend([])["listing_id"])
    cards = [listing_card(opened, row) for row in rows]
    gallery(opened, cards, key="popular", label="Popular and recent listings")
