"""What is compared: rankings of runs by name, and places of one list in another."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.insight.comparison import Comparison, compared, require_one_protocol
from listing_vibes.insight.first_places import first_places, queries_of, scorer_of, split_of
from listing_vibes.insight.rankings import load_rankings, rankers
from listing_vibes.market.splits import Split
from listing_vibes.run.versions import results_of
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, uses_model
from listing_vibes_app.kit.measures import method_name
from listing_vibes_app.server.boundary import told
from listing_vibes_app.server.runs import BY_RUN, OpenRun, RunKey, open_run, run_key, run_paths
from listing_vibes_app.view.formats import plain

#: Scorers that are made again in a few seconds, on a market of up to so many events.
QUICK, EVENTS = (
    ("popularity", "recent popularity", "itemknn", "attribute neighbors", "photo neighbors"),
    500_000,
)


def rankings(opened: OpenRun) -> pd.DataFrame | None:
    """The ranks that the run's evaluation wrote down; None where it was not evaluated since they are."""
    path = results_of(opened.run.path) / "queries.parquet"
    return _rankings(str(path), path.stat().st_mtime_ns, opened) if path.is_file() else None


@st.cache_resource(show_spinner=False, max_entries=8)
def _rankings(path: str, stamp: int, _opened: OpenRun) -> pd.DataFrame | None:
    return load_rankings(_opened.run)


def two_rankings(one: OpenRun, first: str, two: OpenRun, second: str) -> Comparison:
    """The comparison of two rankings, as `vibes compare` makes it; both runs were evaluated."""
    paths = [results_of(run.run.path) / "queries.parquet" for run in (one, two)]
    key = (first, second, *((str(path), path.stat().st_mtime_ns) for path in paths))
    return _compared(key, one, first, two, second)


@st.cache_resource(show_spinner="Comparing ...", max_entries=8)
def _compared(key: object, _one: OpenRun, first: str, _two: OpenRun, second: str) -> Comparison:
    left, right = rankings(_one), rankings(_two)
    assert left is not None and right is not None
    require_one_protocol(_one.run, _two.run)
    names = (str(_one.run.path), first), (str(_two.run.path), second)
    return compared(left, right, names, _one.run.trained_until)


def contestants(current: str) -> dict[str, tuple[str, str]]:
    """What can be compared query by query: (run, scorer) by the name on the screen, models first, that of the `current` run before
    all."""
    found: dict[str, tuple[str, str]] = {}
    several = len(run_paths()) > 1
    for name in run_paths():
        try:
            frame = rankings(open_run(name))
        except VibesError as error:  # one run less to compare; the page says why
            st.caption(f"{plain(name)} is left out: {plain(told(error))}")
            continue
        for scorer in rankers(frame) if frame is not None else []:
            label = f"{method_name(scorer)}, {name}" if several else method_name(scorer)
            found[label] = (name, scorer)
    return dict(sorted(found.items(), key=lambda one: (one[1][1] != DEFAULT_RANKING, one[1][0] != current)))


def quick(opened: OpenRun, scorer: str) -> bool:
    """Whether a scorer can be made again while somebody waits; what is made already always can."""
    small = scorer in QUICK and len(opened.run.log) <= EVENTS
    return uses_model(scorer) or small or (run_key(opened), scorer) in _made()


def lists_of(opened: OpenRun, scorer: str, asked: pd.DataFrame, k: int) -> list[list[str]]:
    """The `k` first listings that a scorer of the run's evaluation gives each of the queries `asked`.

    Raises:
        VibesError: it cannot be made again, or the market changed since.
    """
    split, found = _scorer(opened, scorer)
    _made().add((run_key(opened), scorer))
    return first_places(opened.run, found, queries_of(opened.run, split, asked), k)


@st.cache_resource(show_spinner=False)
def _made() -> set[tuple[RunKey, str]]:
    return set()


@st.cache_resource(show_spinner=False, max_entries=12, hash_funcs=BY_RUN)
def _scorer(opened: OpenRun, scorer: str) -> tuple[Split, Scorer]:
    split = _split(opened)
    return split, scorer_of(opened.run, split, scorer)


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _split(opened: OpenRun) -> Split:
    return split_of(opened.run)


def places(listings: Sequence[str]) -> dict[str, int]:
    """The place of each listing in a list, from 1."""
    return {listing: place for place, listing in enumerate(listings, 1)}
