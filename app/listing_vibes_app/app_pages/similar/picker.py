"""Choosing a listing: by words or id, by the content of its photos, by filters, by its cover photo, or at random."""

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.selection.filters import NAMES
from listing_vibes_app.app_pages.similar.filters import (
    clear_filters,
    filters_button,
    filters_line,
    read_filters,
)
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.controls import (
    SEEDS,
    page_of,
    random_button,
    search_box,
    shuffle_button,
    switch,
)
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.gallery import Card, album, gallery, listing_card, matches_line
from listing_vibes_app.kit.list_options import read_selections
from listing_vibes_app.server.params import read_number, set_params
from listing_vibes_app.server.photo_search import photo_search, prepare_search
from listing_vibes_app.server.photos import photo_url
from listing_vibes_app.server.runs import OpenRun, known_rows, search_index
from listing_vibes_app.view.formats import plain

PAGE = 24
WAYS = {"words": "Words or id", "look": "Photo content"}
HINTS = {
    "words": "Words from a title or an attribute, or a listing id",
    "look": "What a photo shows, such as canopy bed",
}
EXAMPLES = "canopy bed", "white refrigerator", "bathtub"
LIMITS = (
    "Approximate: photos are compared with the thousand classes of ImageNet, so “canopy bed” is found and "
    "“swimming pool” is not."
)


def choose(listing: str | None) -> None:
    """Make `listing` the query; None returns to the search."""
    set_params(listing=listing, q=None, by=None, page=None, sample=None, why=None, **dict.fromkeys(NAMES))


def any_listing(opened: OpenRun) -> None:
    """Draw a button that chooses a random listing."""
    random_button(
        "Any listing",
        lambda rng: choose(opened.view.ids[int(rng.integers(len(opened.view)))]),
        "One drawn at random",
    )


def picker(opened: OpenRun) -> None:
    """Draw the search, the filters and a grid of covers to page through."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-picker"):
        by = switch("Find by", "by", WAYS, "words")
        query = search_box("q", "Search", HINTS[by], clears=("page", "sample"), width=400)
        filters_button(opened)
        any_listing(opened)
        shuffle_button()
    passing = read_filters(opened).mask(opened.view.market)
    if by == "look":
        show_photo_matches(opened, query, passing)
        return
    rows, line = np.flatnonzero(passing), filters_line(opened, passing)
    if query:
        with st.spinner("Searching …"):
            rows = search_index(opened).find(query)
        rows = rows[passing[rows]]
        line = matches_line(len(rows), query)
    elif sample := read_number("sample", 0, 0, SEEDS):
        rows = np.random.default_rng(sample).permutation(rows)
    if not len(rows):
        title = f"No listing matches “{query}”" if query else "No listing passes the filters"
        why = "A listing must hold every word and pass the filters. Try fewer words, or take a filter away."
        empty(title, why, "Show all listings", lambda: choose(None))
        return
    shown = page_of(rows, PAGE, line or "Choose a listing to see what is like it.")
    cards = [listing_card(opened, int(row), photos=album(opened, int(row))) for row in shown]
    gallery(opened, cards, key="covers", label="Listings to choose from")


def show_photo_matches(opened: OpenRun, text: str, passing: np.ndarray) -> None:
    """Show the listings that are `passing` (L,) bool the filters, by their photo nearest to `text`."""
    if not opened.view.has_photos:
        empty("This market has no photos", "Search by words instead.")
        return
    photos = photo_search(opened)
    if photos is None:
        _classify_photos(opened)
        return
    if not text:
        st.caption(f"{LIMITS} Try “{'”, “'.join(EXAMPLES)}”.")
        return
    with st.spinner("Searching …"):
        result = photos.find(text)
    rows = [(place, row) for place, row in known_rows(opened, result["listing_id"]) if passing[row]]
    if not rows:
        why = "Remove a filter, or describe something else."
        empty("No photo passes the filters", why, "No filters", clear_filters)
        return
    line = f"Photos that come nearest to “{plain(text)}”. {LIMITS}"
    shown = [rows[place] for place in page_of(np.arange(len(rows)), PAGE, line)]
    cards = [_photo_card(opened, row, result.iloc[place]) for place, row in shown]
    help = "Cosine similarity of the description and what the photo was taken for"
    gallery(opened, cards, key="covers", label="Listings by their nearest photo", score_help=help)
    as_code(opened, read_selections(opened, "similar"))


def _photo_card(opened: OpenRun, row: int, result: pd.Series) -> Card:
    photo = int(result["photo"])
    return listing_card(
        opened,
        row,
        photo=photo_url(opened.name, opened.view, row, photo),
        alt=f"Photo {photo + 1} of {opened.view.title(row)}",
        photos=album(opened, row),
        start=photo,
        score=f"Taken for: {result['seen']} · {result['score']:.2f}",
    )


def _classify_photos(opened: OpenRun) -> None:
    place = st.empty()
    with place.container(border=True):
        st.markdown(
            "**:material/visibility: These photos were not classified yet**  \n"
            f"To search them by a description, each of the {len(opened.view.market.photos):,} photos is classified once. It can be "
            "interrupted and goes on where it was; the result is cached with the run."
        )
        started = st.button("Classify the photos", key="look")
    if started:
        with place.container(border=True):
            bar = st.progress(0.0, "Starting")
            prepare_search(opened, bar.progress)
        st.rerun()
