"""Notices of a page: unused parts of its link, a changed market, an untrained or not evaluated run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.run.stored import changed_sentence
from listing_vibes.words import enumerated
from listing_vibes_app.kit.gallery import gallery, listing_card
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.params import take_unused
from listing_vibes_app.server.runs import OpenRun, current_run, rows_of
from listing_vibes_app.view.formats import plain, shorten

LONGEST = 60  # characters of a parameter in a notice


@contextmanager
def link_notices() -> Iterator[None]:
    """Draw the page in the block, with a notice above it of what the link names and the page could not use."""
    take_unused()  # of an interrupted run of the page or of a click
    above = st.container()
    yield
    if unused := take_unused():
        parts = [f"“{name}={shorten(value, LONGEST)}”" for name, value in unused]
        sentence = f"The link names what does not exist here; the page is shown without {enumerated(parts)}."
        above.info(plain(sentence), icon=":material/link_off:")


def market_notice() -> None:
    """Show that the market of the current run changed since the run was made."""
    try:
        run = current_run().run
    except VibesError:  # the page shows the error
        return
    if run.market_changed:
        st.warning(plain(changed_sentence(run)), icon=":material/history:")


def untrained_caption(opened: OpenRun) -> None:
    """Show that lists come from the untrained baseline if the run has no model."""
    if not opened.run.has_model:
        st.caption(
            f"Without a trained model these are untrained neighbors, by {label_of(opened.run.spaces[0]).lower()}."
        )


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
