"""The test queries on which two rankings differ most, each with its history and what both rankings list first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from listing_vibes.insight.rankings import best_baseline, load_rankings, rankers
from listing_vibes.insight.top_listings import queries_of, scorer_of, split_of, top_listings
from listing_vibes.market.columns import Columns as C
from listing_vibes.scoring.ranking_names import NEAR_RECENT, uses_model

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

#: Scorers that take a few seconds to fit, on a market with at most `EVENTS` events.
QUICK = (
    "popularity", "recent popularity", "ItemKNN", "EASE", "attribute neighbors", "photo neighbors", NEAR_RECENT,
)  # fmt: skip
EVENTS = 500_000


@dataclass(frozen=True)
class Disagreement:
    """A test query with the ranks that two rankings gave to the next listing.

    Attributes:
        events: number of events of the user before it.
        history: distinct listings of these events, the newest first.
        ranks: of the next listing `target`, by the first and by the second ranking.
    """

    user: str
    events: int
    history: tuple[str, ...]
    target: str
    ranks: tuple[int, int]


def is_quick(run: Run, scorer: str) -> bool:
    """Return whether a scorer of an evaluation can be fitted again while a user waits."""
    return uses_model(scorer) or (scorer in QUICK and len(run.log) <= EVENTS)


def usual_baseline(run: Run) -> str | None:
    """Return the best method without a model, as on the first page, among those whose ranks are known; None if there is none."""
    frame = load_rankings(run)
    ranked = [] if frame is None else rankers(frame)
    results = (run.metrics or {}).get("results", {})
    return best_baseline({name: results[name] for name in ranked if name in results})


def describe_query(run: Run, row: Mapping[str, Any]) -> Disagreement | None:
    """Return a row of `listing_vibes.insight.rankings.differing` with its history; None if the market lost the user or listing."""
    log, user = run.log, run.user_number.get(row[C.USER])
    if user is None or row["target"] not in run.market.listing_row:
        return None
    start, end = int(log.start[user]), int(log.start[user + 1])
    moment = pd.Timestamp(row["at"]).value if log.timed else int(row["at"])
    events = int(np.searchsorted(log.time[start:end], moment))
    ids = run.market.listings[C.LISTING]
    newest = dict.fromkeys(str(ids.iat[int(at)]) for at in log.listing[start : start + events][::-1])
    return Disagreement(
        row[C.USER], events, tuple(newest), row["target"], (int(row["first"]), int(row["second"]))
    )


def first_lists(run: Run, scorer: str, rows: pd.DataFrame, k: int) -> list[list[str]]:
    """Return the first `k` listings that a scorer of the run's evaluation gives for each of the test queries `rows`.

    Raises:
        VibesError: it cannot be fitted again, or the market changed since.
    """
    split = split_of(run)
    return top_listings(run, scorer_of(run, split, scorer), queries_of(run, split, rows), k)
