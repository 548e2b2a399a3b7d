"""Choosing a listing: by words or id, by a described look, by filters, by its cover photo, or by chance."""

import numpy as np
import streamlit as st

from listing_vibes.insight.selection.filters import NAMES
from listing_vibes_app.app_pages.similar.filter_bar import clear, filters, filters_button, filters_line
from listing_vibes_app.app_pages.similar.photo_search import by_look
from listing_vibes_app.kit.cards import album, listing_card, matches_line
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.gallery import gallery
from listing_vibes_app.kit.pagination import page_of
from listing_vibes_app.kit.switch import switch
from listing_vibes_app.server.params import keep, set_params, whole
from listing_vibes_app.server.runs import OpenRun, search_index

PAGE = 24
SEEDS = 1_000_000
WAYS = {"words": "Words or id", "look": "A look"}
HINTS = {
    "words": "Words from a title or an attribute, or a listing id",
    "look": "What a photo shows, such as canopy bed",
}


def choose(listing: str | None) -> None:
    """Make `listing` the query; None goes back to choosing. The search stays in the URL's history, not in the URL."""
    set_params(listing=listing, q=None, by=None, page=None, sample=None, why=None, **dict.fromkeys(NAMES))


def choose_any(opened: OpenRun) -> None:
    """Make a listing drawn by chance the query."""
    choose(opened.view.ids[int(np.random.default_rng().integers(len(opened.view)))])


def _shuffle() -> None:
    set_params(sample=int(np.random.default_rng().integers(1, SEEDS)), page=None)


def _search() -> None:
    set_params(page=None, sample=None)
    keep("q", "q")


def picker(opened: OpenRun) -> None:
    """Search box, filters, chance, and a grid of covers to page through."""
    st.session_state["q"] = st.query_params.get("q", "")
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-picker"):
        by = switch("Find by", "by", WAYS, "words")
        st.text_input(
            "Search",
            key="q",
            type="search",
            icon=":material/search:",
            placeholder=HINTS[by],
            on_change=_search,
            width=400,
        )
        filters_button(opened)
        st.button(
            "Any listing",
            icon=":material/casino:",
            on_click=choose_any,
            args=(opened,),
            help="One drawn by chance",
        )
        st.button(
            "Shuffle",
            icon=":material/shuffle:",
            on_click=_shuffle,
            help="Show the listings below in a random order",
        )
    query, passes = st.session_state["q"].strip(), filters(opened).mask(opened.view.market)
    if by == "look":
        by_look(opened, query, passes, PAGE)
        return
    if query:
        with st.spinner("Searching …"):
            rows = search_index(opened).find(query)
        rows = rows[passes[rows]]
        if not len(rows):
            empty(
                f"No listing matches “{query}”",
                "A listing must hold every word and pass the filters. Try fewer or shorter words.",
                icon=":material/search_off:",
                action="Show all listings",
                on_click=choose,
                args=(None,),
                key="clear-search",
            )
            return
        line = matches_line(len(rows), query)
    else:
        rows = np.flatnonzero(passes)
        if not len(rows):
            empty(
                "No listing passes the filters",
                "The price band, the values and the day leave nothing over. Take one of them away.",
                icon=":material/filter_list_off:",
                action="No filters",
                on_click=clear,
                key="clear-filters",
            )
            return
        if sample := whole("sample", 0, 0, SEEDS):
            rows = np.random.default_rng(sample).permutation(rows)
        line = f"Choose a listing to see what is like it. {filters_line(opened, passes)}"
    shown = page_of(rows, PAGE, line)
    gallery(
        [listing_card(opened, int(row), photos=album(opened, int(row))) for row in shown],
        key="covers",
        box=opened.box,
        label="Listings to choose from",
        photos=opened.view.has_photos,
    )
