"""The rankings of runs: the available ones, their comparison, and their lists."""

import pandas as pd
import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.insight.comparison import Comparison, compared, require_same_protocol
from listing_vibes.insight.disagreements import first_lists, is_quick, refit
from listing_vibes.insight.rankings import load_rankings, rankers, ranking_name
from listing_vibes.market.splits import Split
from listing_vibes.run.versions import results_of
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING
from listing_vibes_app.server.boundary import describe_error
from listing_vibes_app.server.runs import BY_RUN, OpenRun, open_run, run_paths, run_title
from listing_vibes_app.view.formats import plain


def rankings(opened: OpenRun) -> pd.DataFrame | None:
    """Return the ranks that the run's evaluation wrote; None if there are none."""
    path = results_of(opened.run.path) / "queries.parquet"
    return _rankings(opened, path.stat().st_mtime_ns) if path.is_file() else None


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _rankings(opened: OpenRun, stamp: int) -> pd.DataFrame | None:
    return load_rankings(opened.run)


@st.cache_resource(show_spinner="Comparing ...", max_entries=8, hash_funcs=BY_RUN)
def compare_rankings(run: OpenRun, scorer: str, other_run: OpenRun, other_scorer: str) -> Comparison:
    """Return the comparison of two rankings of evaluated runs, as in `vibes compare`."""
    left, right = rankings(run), rankings(other_run)
    assert left is not None and right is not None
    require_same_protocol(run.run, other_run.run)
    names = (str(run.run.path), scorer), (str(other_run.run.path), other_scorer)
    return compared(left, right, names, run.run.trained_until)


def contestants(current: str) -> dict[str, str]:
    """Return the label of each ranking `run/scorer`: the `current` run's default ranking, other default rankings, the rest."""
    values: dict[tuple[str, str], str] = {}
    for name in run_paths():
        try:
            frame = rankings(open_run(name))
        except VibesError as error:  # leave the run out; the page shows the error
            st.caption(f"{plain(name)} is left out: {plain(describe_error(error))}")
            continue
        for scorer in rankers(frame) if frame is not None else []:
            values[name, scorer] = ranking_name(scorer) + (f" · {run_title(name)}" if name != current else "")
    order = sorted(values, key=lambda item: (item[1] != DEFAULT_RANKING, item[0] != current))
    return {f"{name}/{scorer}": values[name, scorer] for name, scorer in order}


def is_ready(opened: OpenRun, scorer: str) -> bool:
    """Return whether a scorer can be fitted while the user waits, or is already fitted."""
    return is_quick(opened.run, scorer) or (opened.number, scorer) in _fitted()


def lists_of(opened: OpenRun, scorer: str, queries: pd.DataFrame, k: int) -> list[list[str]]:
    """Return the first `k` listings that a scorer of the run's evaluation gives for each of the queries.

    Raises:
        VibesError: it cannot be fitted again, or the market changed since.
    """
    result = first_lists(opened.run, scorer, queries, k, lambda: _scorer(opened, scorer))
    _fitted().add((opened.number, scorer))
    return result


@st.cache_resource(show_spinner=False)
def _fitted() -> set[tuple[int, str]]:
    return set()


@st.cache_resource(show_spinner=False, max_entries=12, hash_funcs=BY_RUN)
def _scorer(opened: OpenRun, scorer: str) -> tuple[Split, Scorer]:
    return refit(opened.run, scorer)
