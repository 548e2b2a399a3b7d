"""Choosing a listing: by words, by id, by its cover photo, or by chance."""

import numpy as np
import streamlit as st

from app.session import Current, keep, search_index, set_params, whole
from app.widgets.cards import listing_card, matches_line
from app.widgets.empty import empty
from app.widgets.gallery import gallery
from app.widgets.pages import page_of

PAGE = 24
SEEDS = 1_000_000


def choose(listing: str | None) -> None:
    """Make `listing` the query; None goes back to choosing. The search stays in the URL's history, not in the URL."""
    set_params(listing=listing, q=None, page=None, sample=None)


def choose_any(here: Current) -> None:
    """Make a listing drawn by chance the query."""
    choose(here.view.ids[int(np.random.default_rng().integers(len(here.view)))])


def _shuffle() -> None:
    set_params(sample=int(np.random.default_rng().integers(1, SEEDS)), page=None)


def _search() -> None:
    set_params(page=None, sample=None)
    keep("q", "q")


def picker(here: Current) -> None:
    """Search box, chance, and a grid of covers to page through."""
    st.session_state["q"] = st.query_params.get("q", "")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Search",
            key="q",
            type="search",
            icon=":material/search:",
            placeholder="Words from a title or an attribute, or a listing id",
            on_change=_search,
            width=460,
        )
        st.button(
            "Any listing",
            icon=":material/casino:",
            on_click=choose_any,
            args=(here,),
            help="One drawn by chance",
        )
        st.button(
            "Shuffle",
            icon=":material/shuffle:",
            on_click=_shuffle,
            help="Show the listings below in a random order",
        )
    query = st.session_state["q"].strip()
    sample = whole("sample", 0, 0, SEEDS)
    if query:
        with st.spinner("Searching …"):
            rows = search_index(here).find(query)
        if not len(rows):
            empty(
                f"No listing matches “{query}”",
                "A listing must hold every word. Try fewer or shorter words.",
                icon=":material/search_off:",
                action="Show all listings",
                on_click=choose,
                args=(None,),
                key="clear-search",
            )
            return
        line = matches_line(len(rows), query)
    else:
        rows = np.arange(len(here.view))
        if sample:
            rows = np.random.default_rng(sample).permutation(rows)
        line = "Choose a listing to see what is like it."
    shown = page_of(rows, PAGE, line)
    gallery(
        [listing_card(here, int(row)) for row in shown],
        key="covers",
        box=here.box,
        label="Listings to choose from",
        photos=here.view.has_photos,
    )
