"""The search by look, opened once for all sessions; where photos were never looked at, that is done here, with progress."""

import threading
from collections.abc import Callable

import streamlit as st

from listing_vibes.insight.search.photo_search import PhotoSearch
from listing_vibes.progress import Counted, Update
from listing_vibes_app.server.runs import OpenRun, RunKey, run_key
from listing_vibes_app.view.formats import time_left

#: Runs whose search is kept, with all that they hold: each refresh opens another.
KEPT = 8


@st.cache_resource(show_spinner=False)
def _held() -> tuple[dict[RunKey, PhotoSearch], threading.Lock]:
    return {}, threading.Lock()


def look_search(opened: OpenRun) -> PhotoSearch | None:
    """The search of a run, None where `prepare` has to look at the photos first."""
    found, _ = _held()
    key = run_key(opened)
    if key not in found and (search := PhotoSearch.open(opened.run)) is not None:
        _keep(key, search)
    return found.get(key)


def _keep(key: RunKey, search: PhotoSearch) -> None:
    found, _ = _held()
    found[key] = search
    for old in list(found)[:-KEPT]:
        found.pop(old, None)


def prepare(opened: OpenRun, tell: Callable[[float, str], None]) -> None:
    """Look at every photo of a run's market; leaving the page breaks it off, and what was done is kept.

    Args:
        tell: called with the share done and a line of progress.

    Raises:
        VibesError: the market has no photos, or an encoder is not at hand.
    """
    found, lock = _held()

    def report(update: Update) -> None:
        if isinstance(update, Counted):
            line = f"{update.done:,} of {update.total:,} photos{time_left(update.left)}"
            tell(update.done / max(update.total, 1), line)

    tell(0.0, "Opening the photo encoder")
    with lock:  # two sessions would do the same work side by side
        if run_key(opened) not in found:
            _keep(run_key(opened), PhotoSearch.make(opened.run, report))
