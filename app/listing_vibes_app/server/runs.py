"""The opened runs that pages share."""

import gc
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from listing_vibes import Run
from listing_vibes.errors import VibesError
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.run.market_state import MarketChanged
from listing_vibes_app.server.params import chosen
from listing_vibes_app.view.formats import numbered
from listing_vibes_app.view.market import MarketView
from listing_vibes_app.view.photo_box import photo_box
from listing_vibes_app.view.search import SearchIndex

KEPT = 8  # opened runs
_opened = count()


@dataclass(frozen=True, eq=False)
class OpenRun:
    """An opened run with its market as the screen shows it."""

    name: str  # as in the URL
    run: Run
    view: MarketView
    box: str  # CSS aspect ratio of its photos
    number: int = field(default_factory=lambda: next(_opened))  # no other that was ever opened has it


def run_paths() -> dict[str, Path]:
    """The runs given on the command line by name: the folder's name, numbered where two share it."""
    return dict(_named(*sys.argv[1:]))


@cache  # each link of each card asks whether there are several
def _named(*arguments: str) -> dict[str, Path]:
    paths = [Path(argument) for argument in arguments]
    return dict(zip(numbered((path.resolve().name or "run" for path in paths), "-"), paths, strict=True))


def open_run(name: str) -> OpenRun:
    """Open one of `run_paths`, once for all sessions; again when it was written, embedded, refreshed or measured anew.

    Raises:
        VibesError: the run or its market is missing or cannot be read.
    """
    path = run_paths()[name]
    return _open(name, str(path), _stamps(path))


def _stamps(path: Path) -> tuple[int, ...]:
    """Change whenever a run is written, embedded, refreshed or measured anew."""
    names = ("run.toml", "current.json", "listings.safetensors", "measured.json", "metrics.json")
    files = [path / name for name in names]
    return tuple(file.stat().st_mtime_ns if file.is_file() else 0 for file in files)


@st.cache_resource(show_spinner=False, max_entries=KEPT)
def _open(name: str, path: str, stamps: tuple[int, ...]) -> OpenRun:  # the stamps are part of the key
    run = Run.open(Path(path))
    warnings.simplefilter("ignore", MarketChanged)  # `kit.notices` says it on every page
    view = MarketView(run.market, lambda: run.log)
    opened = OpenRun(name, run, view, photo_box(view))
    if opened.number >= KEPT:
        gc.collect()  # of runs that were let go, which may be large; nobody else looks so soon
    return opened


def run_label(name: str) -> str:
    """What to call a run in few words: its market where there are several, what made it, what sets it apart, and as much more as
    tells it from the others: its seed, its folder. One that cannot be opened is called by its folder."""
    told = {one: _told(one) for one in run_paths()}
    if not told[name]:
        return name
    several = len({words[0] for words in told.values() if words}) > 1
    for parts in ((0, 1, 2, 4), (0, 1, 2, 3, 4)) if several else ((1, 2, 4), (1, 2, 3, 4)):
        labels = {
            one: ", ".join(words[part] for part in parts if words[part])
            for one, words in told.items()
            if words
        }
        if list(labels.values()).count(labels[name]) == 1:
            return labels[name]
    return f"{name}: {labels[name]}"


def run_sentence(name: str) -> str:
    """Everything by which a run is told apart, with the words for it."""
    said = ("{}", "{}" if "without a model" in _told(name) else "preset {}", "reader {}", "{}", "{}")
    words = [form.format(word) for form, word in zip(said, _told(name), strict=False) if word]
    return ", ".join([*words, f"folder {name}"])


def market_of(name: str) -> str:
    """The name of a run's market; of a run that cannot be opened nothing."""
    return next(iter(_told(name)), "")


def _told(name: str) -> tuple[str, ...]:
    """Market, preset, reader of histories and seed of a run, and what sets it apart beside these; nothing of one that cannot be opened."""
    path = run_paths()[name]
    try:
        return _said(str(path), _stamps(path))
    except Exception:  # the boundary tells why once it is looked at
        return ()


@st.cache_resource(
    show_spinner=False, max_entries=64
)  # `cache_data` warns where it is imported before the server
def _said(path: str, stamps: tuple[int, ...]) -> tuple[str, ...]:
    """`_told`, from what the run says of itself: its market is read once it is looked at."""
    run = Run.open(Path(path), events_too=False)
    settings, market = run.manifest.settings, run.manifest.market_name or run.path.resolve().name
    if not run.has_model:
        return market, "without a model", "", "", ""
    apart = (
        "trained elsewhere" if run.transferred else "without photos" if not settings.features.photos else ""
    )
    return market, settings.preset, settings.history, f"seed {settings.seed}", apart


def current_run() -> OpenRun:
    """The run that the URL names, or the first one.

    Raises:
        VibesError: no run was given, or it cannot be opened.
    """
    paths = run_paths()
    if not paths:
        raise VibesError("No run was given. Start the explorer with the folder of a run: vibes explore RUN")
    name = chosen("run", list(paths), next(iter(paths)))
    with st.spinner("Opening the run …"):
        return open_run(name)


@st.cache_resource(show_spinner=False, max_entries=8)
def _index(fingerprint: str, _view: MarketView) -> SearchIndex:
    return SearchIndex.build(_view)


def search_index(opened: OpenRun) -> SearchIndex:
    """The search index of a run's market, built on first use."""
    return _index(opened.view.market.fingerprint, opened.view)


RunKey = tuple[str, str, int]


def run_key(opened: OpenRun) -> RunKey:
    """What tells an opened run from any other, as a key of caches."""
    return str(opened.run.path), opened.run.manifest.fingerprint, opened.number


#: How Streamlit's caches tell the arguments of a function apart: opened runs by their key, lists by the code that gives them.
BY_RUN: dict[str | type[Any], Callable[[Any], object]] = {
    OpenRun: run_key,
    Selection: lambda one: one.python(""),
}


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def embedded(opened: OpenRun) -> np.ndarray:
    """(L,) which listings of the market the run knows: the market may have changed since."""
    known = opened.run.listing_row
    return np.array([listing in known for listing in opened.view.ids], bool)


def known_rows(opened: OpenRun, listings: Iterable[str]) -> list[tuple[int, int]]:
    """(place in `listings`, row in the market) of those that the market still has: it may have changed since the run."""
    rows = ((place, opened.view.market.listing_row.get(listing)) for place, listing in enumerate(listings))
    return [(place, row) for place, row in rows if row is not None]
