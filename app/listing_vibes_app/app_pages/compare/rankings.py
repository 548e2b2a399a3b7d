"""The rankings of runs: the available ones, their comparison, and their lists."""

import pandas as pd
import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.saved import QUERIES
from listing_vibes.insight.comparison import Comparison, compare
from listing_vibes.insight.disagreements import first_lists, refit
from listing_vibes.insight.rankings import load_rankings, rankers, ranking_name
from listing_vibes.market.splits import Split
from listing_vibes.run.versions import results_of
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING
from listing_vibes_app.server.boundary import describe_error
from listing_vibes_app.server.runs import BY_RUN, OpenRun, open_run, run_paths, run_title
from listing_vibes_app.view.formats import plain


def _rankers(opened: OpenRun) -> list[str]:
    """Return the scorers of the run's evaluation; none without one."""
    path = results_of(opened.run.path) / QUERIES
    return _load_rankers(opened, path.stat().st_mtime_ns) if path.is_file() else []


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _load_rankers(opened: OpenRun, stamp: int) -> list[str]:
    frame = load_rankings(opened.run)
    return [] if frame is None else rankers(frame)


@st.cache_resource(show_spinner="Comparing ...", max_entries=8, hash_funcs=BY_RUN)
def compare_rankings(run: OpenRun, scorer: str, other_run: OpenRun, other_scorer: str) -> Comparison:
    """Return the comparison of two rankings of evaluated runs, as in `vibes compare`."""
    return compare(run.run, other_run.run, scorer, other_scorer)


def contestants(current: str) -> dict[str, str]:
    """Return the label of each ranking `run/scorer`: the `current` run's default ranking, other default rankings, the rest."""
    values: dict[tuple[str, str], str] = {}
    for name in run_paths():
        try:
            scorers = _rankers(open_run(name))
        except VibesError as error:  # leave the run out; the page shows the error
            st.caption(f"{plain(name)} is left out: {plain(describe_error(error))}")
            continue
        for scorer in scorers:
            values[name, scorer] = ranking_name(scorer) + (f" · {run_title(name)}" if name != current else "")
    order = sorted(values, key=lambda item: (item[1] != DEFAULT_RANKING, item[0] != current))
    return {f"{name}/{scorer}": values[name, scorer] for name, scorer in order}


def lists_of(opened: OpenRun, scorer: str, queries: pd.DataFrame, k: int) -> list[list[str]]:
    """Return the first `k` listings that a scorer of the run's evaluation gives for each of the queries.

    Raises:
        VibesError: it cannot be fitted again, or the market changed since.
    """
    return first_lists(opened.run, scorer, queries, k, lambda: _scorer(opened, scorer))


@st.cache_resource(show_spinner=False, max_entries=12, hash_funcs=BY_RUN)
def _scorer(opened: OpenRun, scorer: str) -> tuple[Split, Scorer]:
    return refit(opened.run, scorer)
