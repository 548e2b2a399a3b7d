"""The search of photos by words, shared by all sessions."""

import threading
from collections.abc import Callable

import streamlit as st

from listing_vibes.insight.photo_search import PhotoSearch
from listing_vibes.progress import Counted, Update
from listing_vibes_app.server.runs import BY_RUN, MOST, OpenRun
from listing_vibes_app.view.formats import time_left

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
