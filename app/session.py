"""What pages share: the opened runs, the state in the URL, and the boundary that turns errors into sentences."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from app.photos import photo_box
from app.search import SearchIndex
from app.view import MarketView
from core import Run
from core.errors import VibesError


@dataclass(frozen=True, eq=False)
class Opened:
    """An opened run with its market as the screen shows it."""

    run: Run
    view: MarketView
    box: str  # CSS aspect ratio of its photos


@dataclass(frozen=True, eq=False)
class Current:
    """The run that a page is about."""

    name: str  # as in the URL
    run: Run
    view: MarketView
    box: str


def run_paths() -> dict[str, Path]:
    """The runs given on the command line by name: the folder's name, numbered where two share it."""
    paths: dict[str, Path] = {}
    for argument in sys.argv[1:]:
        path = Path(argument)
        stem, number = path.resolve().name or "run", 2
        name = stem
        while name in paths:
            name, number = f"{stem}-{number}", number + 1
        paths[name] = path
    return paths


def open_run(path: Path) -> Opened:
    """Open a run, once for all sessions; again when it was written, embedded, refreshed or measured anew.

    Raises:
        VibesError: the run or its market is missing or cannot be read.
    """
    files = [path / name for name in ("run.toml", "current.json", "listings.npz", "metrics.json")]
    return _open(str(path), tuple(file.stat().st_mtime_ns if file.is_file() else 0 for file in files))


@st.cache_resource(show_spinner=False, max_entries=8)
def _open(path: str, stamps: tuple[int, ...]) -> Opened:  # the stamps are part of the key
    run = Run.open(Path(path))
    view = MarketView(run.market, lambda: run.log)
    return Opened(run, view, photo_box(view))


def run_label(name: str) -> str:
    """What to call a run: its market and what made it, with the folder's name where that alone tells two apart.

    A run that cannot be opened is called by its folder.
    """
    labels = {one: _label(path) for one, path in run_paths().items()}
    mine = labels[name]
    alone = mine and list(labels.values()).count(mine) == 1
    return mine if alone else f"{mine} ({name})" if mine else name


def _label(path: Path) -> str:
    try:
        run = open_run(path).run
    except VibesError:
        return ""
    settings = run.manifest.settings
    market = run.manifest.market_name or run.path.resolve().name
    return f"{market}, {f'preset {settings.preset}' if run.has_model else 'without a model'}"


def current() -> Current:
    """The run that the URL names, or the first one.

    Raises:
        VibesError: no run was given, or it cannot be opened.
    """
    paths = run_paths()
    if not paths:
        raise VibesError("No run was given. Start the explorer with the folder of a run: vibes explore RUN")
    name = chosen("run", list(paths), next(iter(paths)))
    with st.spinner("Opening the run …"):
        opened = open_run(paths[name])
    return Current(name, opened.run, opened.view, opened.box)


@st.cache_resource(show_spinner=False, max_entries=8)
def _index(fingerprint: str, _view: MarketView) -> SearchIndex:
    return SearchIndex.build(_view)


def search_index(here: Current) -> SearchIndex:
    """The search index of a run's market, built on first use."""
    return _index(here.view.market.fingerprint, here.view)


RunKey = tuple[str, str, int]


def run_key(here: Current) -> RunKey:
    """What tells an opened run from any other, as a key of caches."""
    return str(here.run.path), here.run.manifest.fingerprint, id(here.run)


@st.cache_resource(show_spinner=False, max_entries=8)
def _embedded(key: RunKey, _here: Current) -> np.ndarray:
    known = _here.run.listing_row
    return np.array([listing in known for listing in _here.view.ids], bool)


def embedded(here: Current) -> np.ndarray:
    """(L,) which listings of the market the run knows: the market may have changed since."""
    return _embedded(run_key(here), here)


def known_rows(here: Current, listings: Iterable[str]) -> list[tuple[int, int]]:
    """(place in `listings`, row in the market) of those that the market still has: it may have changed since the run."""
    rows = ((place, here.view.market.listing_row.get(listing)) for place, listing in enumerate(listings))
    return [(place, row) for place, row in rows if row is not None]


@contextmanager
def boundary() -> Iterator[None]:
    """Show a `VibesError` as the sentence it is."""
    try:
        yield
    except VibesError as error:
        st.error(str(error).replace("$", "\\$"), icon=":material/error:")


# the state in the URL


def chosen(name: str, options: list[str], default: str) -> str:
    """A query parameter that must be one of `options`; anything else reads as `default`."""
    value = st.query_params.get(name, default)
    return value if value in options else default


def whole(name: str, default: int, low: int, high: int) -> int:
    """A query parameter that must be a whole number, held within `low` and `high`."""
    text = st.query_params.get(name, "")
    value = int(text) if text.lstrip("-").isdecimal() and len(text) < 12 else default
    return max(low, min(high, value))


def set_params(**values: Any) -> None:
    """Write query parameters; `None` removes one."""
    params = st.query_params.to_dict()
    for name, value in values.items():
        if value is None:
            params.pop(name, None)
        else:
            params[name] = str(value)
    if params != st.query_params.to_dict():
        st.query_params.from_dict(params)


def keep(key: str, name: str, default: Any = None) -> None:
    """Callback of a widget: its value goes to the URL, where the next run of the page reads it."""
    value = st.session_state.get(key)
    set_params(**{name: None if value in (None, "", default) else value})
