"""Choosing a listing: by words or id, by the content of its photos, by a photo, by filters, by its cover, or at random."""

import threading
from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.insight.photo_search import PhotoSearch, search_photos
from listing_vibes.insight.selection.url_parameters import FILTER_PARAMETERS
from listing_vibes.market.photo_decoding import data_address, preview
from listing_vibes.progress import Counted, Update
from listing_vibes_app.app_pages.similar.filters import (
    clear_filters,
    filters_button,
    filters_line,
    read_filters,
)
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.controls import (
    SEEDS,
    any_listing,
    button,
    page_of,
    search_box,
    shuffle_button,
    switch,
)
from listing_vibes_app.kit.gallery import Card, gallery, listing_card, matches_line, page_url
from listing_vibes_app.kit.list_options import read_selections
from listing_vibes_app.kit.notices import empty
from listing_vibes_app.server.params import link, set_params
from listing_vibes_app.server.photos import photo_url
from listing_vibes_app.server.runs import BY_RUN, MOST, OpenRun, rows_of, search_index
from listing_vibes_app.view.formats import plain, time_left

PAGE = 24
WIDTH = 240  # least width of an uploaded photo in pixels
WAYS = {"words": "Words or id", "look": "Photo content", "photo": "A photo"}
HINTS = {
    "words": "Title, attribute or listing id",
    "look": "Such as canopy bed",
}
OFFERS = 8  # most looks that are offered, beside colors
SMALL = 104  # width of their photos in pixels
LIMITS = (
    "Approximate: photos are compared with the thousand classes of ImageNet, so “canopy bed” is found and "
    "“swimming pool” is not."
)


def choose(listing: str | None) -> None:
    """Make `listing` the query; None returns to the search."""
    set_params(
        listing=listing, q=None, by=None, page=None, sample=None, why=None, **dict.fromkeys(FILTER_PARAMETERS)
    )


def picker(opened: OpenRun) -> None:
    """Draw the search, the filters and a grid of covers to page through."""
    ways = WAYS if opened.view.has_photos else {"words": WAYS["words"]}
    ways = {name: label for name, label in ways.items() if name != "photo" or "photos" in opened.run.spaces}
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-picker"):
        if len(ways) > 1:
            by = switch("Find by", "by", ways, "words")
        else:
            by = link().choice("by", ways, "words")
        query = "" if by == "photo" else search_box("q", "Search", HINTS[by], ("page", "sample"), width=270)
        filters_button(opened)
        any_listing(opened, lambda row: choose(opened.view.ids[row]))
        if by == "words":
            shuffle_button()
    passing = read_filters(opened.view).mask(opened.view.market)
    {"words": show_word_matches, "look": show_matches_in_photos, "photo": show_photo_matches}[by](
        opened, query, passing
    )


def show_word_matches(opened: OpenRun, query: str, passing: np.ndarray) -> None:
    """Show the listings that are `passing` (L,) bool the filters and have words of `query`; without one, all."""
    rows, line, complete = np.flatnonzero(passing), filters_line(opened, passing), 0
    if query:
        with st.spinner("Searching …"):
            rows, complete = search_index(opened).find(query)
        complete = int(passing[rows[:complete]].sum())
        rows = rows[passing[rows]]
        line = matches_line(len(rows), query, complete)
    elif sample := link().number("sample", 0, 0, SEEDS):
        rows = np.random.default_rng(sample).permutation(rows)
    if query and not complete and opened.view.has_photos:
        button(f"Look for “{query}” in the photos", "visibility", lambda: set_params(by="look", page=None))
    if not len(rows):
        title = f"No listing matches “{query}”" if query else "No listing passes the filters"
        why = "No listing that passes the filters has any of these words."
        why = why if query else "Take a filter away."
        empty(title, why, "Show all listings", lambda: choose(None))
        return
    show_covers(opened, rows, line or "Choose a listing to see what is like it.")


def show_covers(opened: OpenRun, rows: np.ndarray, line: str) -> None:
    """Show the listings `rows` (n,), a page at a time."""
    shown = page_of(rows, PAGE, line)
    cards = [listing_card(opened, int(row)) for row in shown]
    gallery(opened, cards, key="covers", label="Listings to choose from")


def show_matches_in_photos(opened: OpenRun, text: str, passing: np.ndarray) -> None:
    """Show the listings that are `passing` (L,) bool the filters, by their photo nearest to `text`."""
    photos = photo_search(opened)
    if photos is None:
        _classify_photos(opened)
        return
    _show_offers(opened, photos.offers(OFFERS), text)
    if not text:
        show_covers(opened, np.flatnonzero(passing), LIMITS)
        return
    try:
        with st.spinner("Searching …"):
            result = photos.find(text)
    except VibesError as error:  # no photo shows it; what photos show is offered above
        st.info(plain(str(error)))
        return
    if photos.is_color(text):
        line, help, notes = f"Covers with {plain(text)}, those without another tone first.", "", ""
    else:
        line = f"Photos that come nearest to “{plain(text)}”. {LIMITS}"
        help = "What the photo was recognized as, which the text is compared with"
        notes = "Recognized as: " + result["seen"]
    label = "Listings by their nearest photo"
    _show_photo_matches(opened, result.assign(note=notes), passing, line, label, score_help=help)
    as_code(opened, read_selections(opened, "similar"))


def _show_offers(opened: OpenRun, offers: list[tuple[str, str, int]], chosen: str) -> None:
    """Show texts to search for, each with a photo of it, and mark the `chosen` one; see `PhotoSearch.offers`."""
    filters = {name: st.query_params.get(name) for name in FILTER_PARAMETERS}
    cards = []
    for text, listing, photo in offers:
        row = opened.view.market.listing_row[listing]
        url = photo_url(opened.name, opened.view, row, photo)
        href = page_url(opened, "similar", by="look", q=text, **filters)
        tone: Literal["", "hit"] = "hit" if text == chosen.casefold() else ""
        alt = f"A photo with {text}"
        cards.append(Card(title=text.capitalize(), href=href, photo=url, alt=alt, tone=tone))
    if cards:
        label = "Looks and colors to search for"
        gallery(opened, cards, key="looks", label=label, layout="strip", least=SMALL)


def show_photo_matches(opened: OpenRun, _query: str, passing: np.ndarray) -> None:
    """Show the listings that are `passing` (L,) bool the filters and look most like a photo that the user uploads."""
    file = st.file_uploader(
        "A photo to compare with",
        type=["jpg", "jpeg", "png", "webp"],
        max_upload_size=25,
        key="photo-query",
        help="The photo stays on this machine and is not part of the link.",
    )
    if file is None:
        show_covers(opened, np.flatnonzero(passing), "Add a photo above, or choose a listing.")
        return
    left, right = st.columns([1, 3], gap="large")
    with right, st.spinner("Comparing the photo …"):
        result = _like_photo(opened, file.getvalue())
    with left, st.container(key="pinned"):
        # As a data URL: Streamlit would remove an image file with an interrupted run of the page.
        shown = Card(
            photo=data_address(preview(file.getvalue(), 2 * WIDTH)), alt=f"The uploaded photo {file.name}"
        )
        gallery(
            opened, [shown], key="uploaded", label="The photo to compare with", layout="grid", least=WIDTH
        )
    with right:
        by = "by the photo that looks" if "photo" in result else "whose photos together look"
        line, label = f"Listings {by} most like {plain(file.name)}", "Listings that look most like the photo"
        result = result.assign(note=result["score"].map("Similarity {:.2f}".format))
        _show_photo_matches(opened, result, passing, line, label)


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=BY_RUN)
def _like_photo(opened: OpenRun, content: bytes) -> pd.DataFrame:
    return search_photos(opened.run, photo=content, k=len(opened.run.listing_ids))


def _show_photo_matches(
    opened: OpenRun, result: pd.DataFrame, passing: np.ndarray, line: str, label: str, score_help: str = ""
) -> None:
    """Show the rows of a search of photos, each with a `note`, that are `passing` (L,) bool the filters, a page at a time."""
    rows = [(place, row) for place, row in enumerate(rows_of(opened, result["listing_id"])) if passing[row]]
    if not rows:
        why = "Remove a filter, or describe something else."
        empty("No photo passes the filters", why, "No filters", clear_filters)
        return
    cards = []
    for at in page_of(np.arange(len(rows)), PAGE, line):
        place, row = rows[at]
        match = result.iloc[place]
        photo = int(match.get("photo", 0))
        card = listing_card(
            opened,
            row,
            photo=photo_url(opened.name, opened.view, row, photo),
            alt=f"Photo {photo + 1} of {opened.view.title(row)}",
            start=photo,
            score=match["note"],
        )
        cards.append(card)
    gallery(opened, cards, key="covers", label=label, score_help=score_help)


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


_LOCK = threading.Lock()  # so that two sessions do not do the same work


@st.cache_resource(show_spinner=False, max_entries=MOST, hash_funcs=BY_RUN)
def _searches(opened: OpenRun) -> list[PhotoSearch]:
    """Return the search of a run in a list, which is empty until its photos are classified."""
    return []


def photo_search(opened: OpenRun) -> PhotoSearch | None:
    """Return the search of a run, None if `prepare_search` has to classify the photos first."""
    searches = _searches(opened)
    if not searches and (search := PhotoSearch.open(opened.run)) is not None:
        searches.append(search)
    return searches[0] if searches else None


def prepare_search(opened: OpenRun, report: Callable[[float, str], object]) -> None:
    """Classify every photo of a run's market and cache the results; leaving the page stops it.

    Args:
        report: called with the completed share and a line of progress.

    Raises:
        VibesError: the market has no photos, or an encoder is missing.
    """

    def progress(update: Update) -> None:
        if isinstance(update, Counted):
            line = f"{update.done:,} of {update.total:,} photos{time_left(update.left)}"
            report(min(1.0, update.done / max(update.total, 1)), line)

    report(0.0, "Opening the photo encoder")
    with _LOCK:
        if photo_search(opened) is None:
            _searches(opened).append(PhotoSearch.make(opened.run, progress))
