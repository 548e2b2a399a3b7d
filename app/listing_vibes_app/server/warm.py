"""Work in the background of the server, so that the next page does not wait for it."""

import logging
import threading
from collections.abc import Callable

import streamlit as st

from listing_vibes_app.server.runs import BY_RUN, MOST, OpenRun, open_run, run_paths

DELAY = 3.0  # seconds, in which the browser gets the photos of the page
_LOG = logging.getLogger("vibes.explorer")
_serving = threading.Event()


def start() -> None:
    """Open the first run while the browser loads the scripts, and let pages start work by `warm`; called by the server."""
    _serving.set()
    first = next(iter(run_paths()), None)
    if first is not None:
        _begin(0, lambda: open_run(first))


@st.cache_resource(show_spinner=False, max_entries=MOST, hash_funcs=BY_RUN)
def warm(opened: OpenRun, name: str, _work: Callable[[OpenRun], object]) -> None:
    """Call `_work` for a run soon, once; a page that needs the result meanwhile shows its errors.

    Args:
        name: of the work.
    """
    if _serving.is_set():
        _begin(DELAY, lambda: _work(opened))


def _begin(delay: float, work: Callable[[], object]) -> None:
    def run() -> None:
        try:
            work()
        except Exception as error:
            _LOG.debug("background work failed: %s", error)

    timer = threading.Timer(delay, run)
    timer.daemon = True
    timer.start()
