"""Where two scorers differ: the rank that each gave to what was really touched, query by query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.errors import VibesError
from core.evaluation.queries_file import FILE, RANK
from core.market.columns import Columns as C
from core.market.io import read_kept, require_numbers
from core.run.generations import results_of

if TYPE_CHECKING:
    from core.run.run import Run

KEY = [C.USER, "at", "target"]


def load_rankings(run: Run) -> pd.DataFrame | None:
    """One row a test query, with a column `rank of NAME` for each scorer; None where the run was not evaluated.

    Raises:
        VibesError: the file is damaged.
    """
    path, mend = results_of(run.path) / FILE, "evaluate the run again"
    frame = read_kept(path, KEY, mend)
    if frame is not None:
        require_numbers(frame, path, [RANK + name for name in rankers(frame)], mend)
    return frame


def rankers(frame: pd.DataFrame) -> list[str]:
    """The scorers whose ranks `frame` holds."""
    return [str(name)[len(RANK) :] for name in frame.columns if str(name).startswith(RANK)]


def differing(one: pd.DataFrame, first: str, two: pd.DataFrame, second: str) -> pd.DataFrame:
    """The queries that both were asked, the most in favour of `first` at the top and of `second` at the bottom.

    `user_id, at, target, history_length, first, second, gain`: the two ranks, and the difference of their discounted
    gains 1 / log2(rank + 1), by which the first places count most. Equal ranks are left out.

    Raises:
        VibesError: they share no query.
    """
    left = one[[*KEY, "history_length", RANK + first]].rename(columns={RANK + first: "first"})
    right = two[[*KEY, RANK + second]].rename(columns={RANK + second: "second"})
    both = left.drop_duplicates(KEY).merge(right.drop_duplicates(KEY), on=KEY)
    if both.empty:
        raise VibesError(
            "These two runs were not asked the same queries, so they cannot be compared; evaluate both on the same market."
        )
    both["gain"] = 1 / np.log2(both["first"] + 1) - 1 / np.log2(both["second"] + 1)
    both = both[both["first"] != both["second"]]
    return both.sort_values(["gain", "first"], ascending=[False, True], ignore_index=True, kind="stable")
