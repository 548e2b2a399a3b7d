"""Two rankings of runs: which ones there are, their comparison, and their lists."""

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
from listing_vibes_app.server.boundary import describe_error
from listing_vibes_app.server.runs import BY_RUN, OpenRun, open_run, run_paths
from listing_vibes_app.view.formats import plain

#: Scorers that are fitted in a few seconds, on a market of up to so many events.
QUICK = ("popularity", "recent popularity", "itemknn", "attribute neighbors", "photo neighbors")
EVENTS = 500_000


def rankings(opened: OpenRun) -> pd.DataFrame | None:
    """Return the ranks that the run's evaluation wrote; None without them."""
    path = results_of(opened.run.path) / "queries.parquet"
    return _rankings(opened, path.stat().st_mtime_ns) if path.is_file() else None


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _rankings(opened: OpenRun, stamp: int) -> pd.DataFrame | None:
    return load_rankings(opened.run)


@st.cache_resource(show_spinner="Comparing ...", max_entries=8, hash_funcs=BY_RUN)
def compare_rankings(one: OpenRun, first: str, two: OpenRun, second: str) -> Comparison:
    """Return the comparison of two rankings, as `vibes compare` makes it; both runs were evaluated."""
    left, right = rankings(one), rankings(two)
    assert left is not None and right is not None
    require_one_protocol(one.run, two.run)
    names = (str(one.run.path), first), (str(two.run.path), second)
    return compared(left, right, names, one.run.trained_until)


def contestants(current: str) -> dict[str, str]:
    """Return what can be compared: `run/scorer` and its label, default rankings first, that of the `current` run before all."""
    values: dict[tuple[str, str], str] = {}
    several = len(run_paths()) > 1
    for name in run_paths():
        try:
            frame = rankings(open_run(name))
        except VibesError as error:  # a run less to compare; the page says why
            st.caption(f"{plain(name)} is left out: {plain(describe_error(error))}")
            continue
        for scorer in rankers(frame) if frame is not None else []:
            values[name, scorer] = method_name(scorer) + (f", {name}" if several else "")
    order = sorted(values, key=lambda item: (item[1] != DEFAULT_RANKING, item[0] != current))
    return {f"{name}/{scorer}": values[name, scorer] for name, scorer in order}


def is_quick(opened: OpenRun, scorer: str) -> bool:
    """Whether a scorer can be fitted while a user waits; one that is fitted already always can."""
    small = scorer in QUICK and len(opened.run.log) <= EVENTS
    return uses_model(scorer) or small or (opened.number, scorer) in _fitted()


def lists_of(opened: OpenRun, scorer: str, queries: pd.DataFrame, k: int) -> list[list[str]]:
    """Return the first `k` listings that a scorer of the run's evaluation gives for each of the queries.

    Raises:
        VibesError: it cannot be fitted again, or the market changed since.
    """
    split, result = _scorer(opened, scorer)
    _fitted().add((opened.number, scorer))
    return first_places(opened.run, result, queries_of(opened.run, split, queries), k)


@st.cache_resource(show_spinner=False)
def _fitted() -> set[tuple[int, str]]:
    return set()


@st.cache_resource(show_spinner=False, max_entries=12, hash_funcs=BY_RUN)
def _scorer(opened: OpenRun, scorer: str) -> tuple[Split, Scorer]:
    split = _split(opened)
    return split, scorer_of(opened.run, split, scorer)


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _split(opened: OpenRun) -> Split:
    return split_of(opened.run)
