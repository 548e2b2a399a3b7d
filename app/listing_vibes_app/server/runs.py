"""The open runs, shared by all sessions."""

import gc
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes import Run
from listing_vibes.errors import VibesError
from listing_vibes.insight.market_view import MarketView
from listing_vibes.insight.selection.page_lists import Selection
from listing_vibes.run.stored import MarketChanged
from listing_vibes.words import capitalize
from listing_vibes_app.server.params import link
from listing_vibes_app.view.formats import numbered
from listing_vibes_app.view.photo_box import photo_box
from listing_vibes_app.view.search import SearchIndex

MOST = 8  # open runs
_opened = count()


@dataclass(frozen=True, eq=False)
class OpenRun:
    """An open run and the display view of its market."""

    name: str  # as in the URL
    run: Run
    view: MarketView
    box: str  # CSS aspect ratio of its photos
    number: int = field(default_factory=lambda: next(_opened))  # unique among the open runs


def run_paths() -> dict[str, Path]:
    """Return the runs of the command line by folder name; a repeated name gets a number."""
    return dict(_named(*sys.argv[1:]))


@cache  # called for each link of each card
def _named(*arguments: str) -> dict[str, Path]:
    paths = [Path(argument) for argument in arguments]
    return dict(zip(numbered((path.resolve().name or "run" for path in paths), "-"), paths, strict=True))


def run_params(opened: OpenRun) -> dict[str, str]:
    """Return the query parameters that keep the current run in a link; empty if there is only one run."""
    return {"run": opened.name} if len(run_paths()) > 1 else {}


def open_run(name: str) -> OpenRun:
    """Open one of `run_paths` for all sessions, and open it again after it was written, embedded, refreshed or evaluated.

    Raises:
        VibesError: the run or its market is missing or cannot be read.
    """
    path = run_paths()[name]
    return _open(name, str(path), _stamps(path))


def _stamps(path: Path) -> tuple[int, ...]:
    names = ("run.toml", "current.json", "listings.safetensors", "measured.json", "metrics.json")
    files = [path / name for name in names]
    return tuple(file.stat().st_mtime_ns if file.is_file() else 0 for file in files)


@st.cache_resource(show_spinner=False, max_entries=MOST)
def _open(name: str, path: str, stamps: tuple[int, ...]) -> OpenRun:  # the stamps are part of the cache key
    run = Run.open(Path(path))
    warnings.simplefilter("ignore", MarketChanged)  # `kit.notices` shows it on every page
    view = MarketView(run.market, lambda: run.log)
    opened = OpenRun(name, run, view, photo_box(view))
    if opened.number >= MOST:
        gc.collect()  # runs that the cache dropped may be large
    return opened


def run_title(name: str) -> str:
    """Return the folder name of a run in words; the name `run` says nothing."""
    first, *rest = name.replace("-", " ").replace("_", " ").split() or [name]
    if first == "run":
        first = "untrained" if run_facts(name)[1] == "untrained" else "the model"
    return capitalize(" ".join([first, *rest]))


def run_label(name: str) -> str:
    """Return the title of a run, with its market if the runs are of several markets."""
    markets = {run_facts(other)[0] for other in run_paths()} - {""}
    market = run_facts(name)[0]
    return f"{run_title(name)} · {market}" if len(markets) > 1 and market else run_title(name)


def run_facts(name: str) -> tuple[str, str]:
    """Return the market and the preset of a run ("untrained" without a model); empty if the run cannot be opened."""
    path = run_paths()[name]
    try:
        return _facts(str(path), _stamps(path))
    except Exception:  # the page shows the error once the run is chosen
        return "", ""


@st.cache_resource(show_spinner=False, max_entries=64)
def _facts(path: str, stamps: tuple[int, ...]) -> tuple[str, str]:
    run = Run.open(Path(path))
    preset = run.manifest.settings.preset if run.has_model else "untrained"
    return run.manifest.market_name or run.path.resolve().name, preset


def current_run() -> OpenRun:
    """Return the run that the URL names, or the first one.

    Raises:
        VibesError: no run was given, or it cannot be opened.
    """
    paths = list(run_paths())
    if not paths:
        raise VibesError("No run was given. Start the explorer with the folder of a run: vibes explore RUN")
    with st.spinner("Opening the run …"):
        return open_run(link().choice("run", paths, paths[0]))


#: How Streamlit's caches hash arguments: a run by its number, a list by the Python code that creates it.
BY_RUN: dict[str | type[Any], Callable[[Any], object]] = {
    OpenRun: lambda opened: opened.number,
    Selection: lambda selection: selection.python(""),
}


@st.cache_resource(show_spinner=False, max_entries=MOST, hash_funcs=BY_RUN)
def search_index(opened: OpenRun) -> SearchIndex:
    """Return the search index of a run's market, built on first use."""
    return SearchIndex.build(opened.view)


@st.cache_resource(show_spinner=False, max_entries=256, hash_funcs=BY_RUN)
def rank(opened: OpenRun, selection: Selection) -> pd.DataFrame:
    """Return the list that `selection` describes as a table, best first; it is cached for a run."""
    return selection.frame(opened.run)


def rows_of(opened: OpenRun, listings: Iterable[str]) -> list[int]:
    """Return the rows of listings of a run, which are those of its market."""
    return [opened.run.listing_row[listing] for listing in listings]
