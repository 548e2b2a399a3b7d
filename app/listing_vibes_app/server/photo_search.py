"""The search of photos by words, shared by all sessions."""

import threading
from collections.abc import Callable

import streamlit as st

from listing_vibes.insight.photo_search import PhotoSearch
from listing_vibes.progress import Counted, Update
from listing_vibes_app.server.runs import MOST, OpenRun
from listing_vibes_app.view.formats import time_left


@st.cache_resource(show_spinner=False)
def _searches() -> tuple[dict[int, PhotoSearch], threading.Lock]:
    return {}, threading.Lock()


def photo_search(opened: OpenRun) -> PhotoSearch | None:
    """Return the search of a run, None if `prepare_search` has to classify the photos first."""
    searches, _ = _searches()
    if opened.number not in searches and (search := PhotoSearch.open(opened.run)) is not None:
        _add(opened, search)
    return searches.get(opened.number)


def _add(opened: OpenRun, search: PhotoSearch) -> None:
    searches, _ = _searches()
    searches[opened.number] = search
    for old in list(searches)[:-MOST]:
        searches.pop(old, None)


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
    with _searches()[1]:  # so that two sessions do not do the same work
        if photo_search(opened) is None:
            _add(opened, PhotoSearch.make(opened.run, progress))
