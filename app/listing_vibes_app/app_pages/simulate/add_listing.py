"""Listings to add to a simulated history: by words, or by chance."""

import numpy as np
import streamlit as st

from listing_vibes_app.app_pages.simulate.history import Simulated
from listing_vibes_app.app_pages.simulate.history_cards import Mark, choice
from listing_vibes_app.kit.cards import matches_line
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.pagination import page_of
from listing_vibes_app.server.params import keep, set_params, whole
from listing_vibes_app.server.runs import OpenRun, embedded, search_index

PAGE = 12
SEEDS = 1_000_000


def _shuffle() -> None:
    set_params(sample=int(np.random.default_rng().integers(2, SEEDS)), page=None, q=None)


def _search() -> None:
    set_params(page=None, sample=None)
    keep("q", "q")


def adding(opened: OpenRun, name: str, target: str, history: Simulated, dials: bool) -> None:
    """Search, chance, and a grid whose cards a click adds to the history `name`, and takes for a vibe dial where the page has
    `dials`."""
    st.session_state["q"] = st.query_params.get("q", "")
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-adding"):
        st.text_input(
            "Search",
            key="q",
            type="search",
            icon=":material/search:",
            placeholder="Words from a title or an attribute",
            on_change=_search,
            width=300,
        )
        st.button(
            "Shuffle", icon=":material/shuffle:", on_click=_shuffle, help="Show other listings, by chance"
        )
    query = st.session_state["q"].strip()
    if query:
        with st.spinner("Searching …"):
            rows = search_index(opened).find(query)
        if not len(rows):
            empty(
                f"No listing matches “{query}”",
                "A listing must hold every word. Try fewer or shorter words.",
                icon=":material/search_off:",
                action="Show any listings",
                on_click=lambda: set_params(q=None),
                key="clear-search",
            )
            return
        line = matches_line(len(rows), query)
    else:
        rows = np.random.default_rng(whole("sample", 1, 1, SEEDS)).permutation(len(opened.view))
        line = "Listings in a random order"
    rows = np.asarray(rows, np.int64)
    rows = rows[embedded(opened)[rows]]
    shown = [int(row) for row in page_of(rows, PAGE, line)]
    held = {event.listing for _, event in history.events}
    marks = [[Mark("held", "in the history")] if opened.view.ids[row] in held else [] for row in shown]
    choice(
        opened,
        shown,
        key="adding",
        name=name,
        target=target,
        label=f"Listings to add to {target}",
        marks=marks,
        dials=dials,
    )
