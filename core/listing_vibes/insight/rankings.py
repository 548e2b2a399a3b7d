"""Where two scorers differ: the rank that each gave to what was really touched, query by query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.queries_file import FILE, RANK
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import read_kept, require_numbers
from listing_vibes.run.generations import results_of
from listing_vibes.scoring.ranking_names import current_names

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

KEY = [C.USER, "at", "target"]
ABOUT = ("candidates", "history_length", "cold_listing", "cold_user")


def load_rankings(run: Run) -> pd.DataFrame | None:
    """One row a test query, with a column `rank of NAME` for each scorer; None where the run was not evaluated.

    Raises:
        VibesError: the file is damaged.
    """
    path, mend = results_of(run.path) / FILE, "evaluate the run again"
    frame = read_kept(path, KEY, mend)
    if frame is not None:
        names = current_names(rankers(frame))
        others = [column for column in frame.columns if not str(column).startswith(RANK)]
        ranks = {RANK + name: frame[RANK + stored] for name, stored in names.items()}
        frame = frame[others].assign(**ranks)
        require_numbers(frame, path, [RANK + name for name in rankers(frame)], mend)
    return frame


def rankers(frame: pd.DataFrame) -> list[str]:
    """The scorers whose ranks `frame` holds."""
    return [str(name)[len(RANK) :] for name in frame.columns if str(name).startswith(RANK)]


def shared(one: pd.DataFrame, first: str, two: pd.DataFrame, second: str) -> pd.DataFrame:
    """The queries that both were asked, as they stand in `one`: what they are, and the two ranks.

    `user_id, at, target, candidates, history_length, cold_listing, cold_user` as far as there are such columns, `first`,
    `second` and `gain`, the difference of the discounted gains 1 / log2(rank + 1), by which the first places count most.

    Raises:
        VibesError: they share no query.
    """
    about = [name for name in ABOUT if name in one.columns]
    left = one[[*KEY, *about, RANK + first]].rename(columns={RANK + first: "first"})
    right = two[[*KEY, RANK + second]].rename(columns={RANK + second: "second"})
    alike = left["at"].dtype.kind == right["at"].dtype.kind  # else moments and positions, which nothing joins
    both = left.drop_duplicates(KEY).merge(right.drop_duplicates(KEY), on=KEY) if alike else left[:0]
    if both.empty:
        raise VibesError(
            "These two runs were not asked the same queries, so they cannot be compared; evaluate both on the same market."
        )
    both["gain"] = 1 / np.log2(both["first"] + 1) - 1 / np.log2(both["second"] + 1)
    return both


def differing(both: pd.DataFrame) -> pd.DataFrame:
    """Of `shared` queries those with different ranks, the most in favour of the first at the top and of the second at the
    bottom."""
    apart = both[both["first"] != both["second"]]
    return apart.sort_values(["gain", "first"], ascending=[False, True], ignore_index=True, kind="stable")


def unlike(one: pd.DataFrame, two: pd.DataFrame, k: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first `k` rows of each of two tables of queries in which no user and no target comes twice, in both together."""
    seen: set[tuple[str, object]] = set()
    found = []
    for frame in (one, two):
        kept: list[int] = []
        for row, (user, target) in enumerate(zip(frame[C.USER], frame["target"], strict=True)):
            names = {("user", user), ("target", target)}
            if len(kept) < k and not names & seen:
                kept.append(row)
                seen |= names
            if len(kept) == k:
                break
        found.append(frame.iloc[kept])
    return found[0], found[1]
