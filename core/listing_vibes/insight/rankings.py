"""The ranks of the target of each test query by every scorer of an evaluation."""

from typing import Any

import pandas as pd

from listing_vibes.evaluation.saved import QUERIES, RANK
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import read_stored_table, require_numbers
from listing_vibes.run.run import Run
from listing_vibes.run.versions import results_of
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING, METRIC, ORACLE, method_name, uses_model

KEY = [C.USER, "at", "target"]
ABOUT = ("candidates", "history_length", "cold_listing", "cold_user")


def ranking_name(scorer: str) -> str:
    """Return the name of a scorer as readers without a background in evaluation see it."""
    return "Our model" if scorer == DEFAULT_RANKING else method_name(scorer)


def best_baseline(results: dict[str, Any]) -> str | None:
    """Return the method with the best `METRIC` that uses no model, except the oracle."""
    measured = {
        name: estimates[METRIC]["value"]
        for name, estimates in results.items()
        if name != ORACLE and not uses_model(name) and estimates.get(METRIC, {}).get("value") is not None
    }
    return max(measured, key=lambda name: measured[name], default=None)


def load_rankings(run: Run) -> pd.DataFrame | None:
    """Load one row per test query, with a column `rank of NAME` for each scorer; None if the run was not evaluated.

    Raises:
        VibesError: the file is damaged, or lacks a column.
    """
    path, hint = results_of(run.path) / QUERIES, "evaluate the run again"
    frame = read_stored_table(path, (*KEY, *ABOUT), hint)
    if frame is not None:
        require_numbers(frame, path, [RANK + name for name in rankers(frame)], hint)
    return frame


def query_moments(frame: pd.DataFrame) -> pd.Series:
    """Return the moments of queries in the log's time: nanoseconds, or positions."""
    at = frame["at"]
    return (at.dt.as_unit("ns") if at.dtype.kind == "M" else at).astype("int64")


def rankers(frame: pd.DataFrame) -> list[str]:
    """Return the scorers whose ranks are in `frame`."""
    return [str(name)[len(RANK) :] for name in frame.columns if str(name).startswith(RANK)]


def distinct_examples(left: pd.DataFrame, right: pd.DataFrame, k: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the first `k` rows of each of two tables of queries, with no user and no target twice in one of them."""
    left, right = (table.drop_duplicates(C.USER).drop_duplicates("target") for table in (left, right))
    return left.head(k), right.head(k)
