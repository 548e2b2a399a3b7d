"""How a ranking ages and thins out: recall by week after validation, by events of the target, by length of history."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from core.evaluation.intervals import bootstrap_means, interval
from core.evaluation.result import Evaluation
from core.evaluation.slices import WEEK
from core.scoring.metrics import user_means

EVENTS = (0, 1, 3, 6, 11, 21, 51)  # lower ends of the groups
LENGTHS = (1, 2, 3, 4, 5, 6, 11, 21)
COLUMNS = ("by", "group", "scorer", "value", "low", "high", "queries", "users")


def stability(found: Evaluation, k: int = 30) -> pd.DataFrame:
    """recall@k of every scorer in three ways of cutting the queries; an empty group has no row.

    `by` is `week` (1 is the first after validation ended, so that a model that is never trained again grows older from
    group to group; none in leave-one-out), `events` (of the target in training) or `history` (events in it). `value` is a
    mean over users with its 95 % interval.
    """
    rows = []
    for by, group, mask in _groups(found):
        user = found.queries.user[mask]
        hits = np.column_stack([found.ranks[name][mask] <= k for name in found.names]).astype(np.float64)
        values = user_means(hits, user)  # (U, S)
        low, high = interval(bootstrap_means(values, seed=found.seed))
        lone = len(values) < 2
        for column, name in enumerate(found.names):
            bounds = (None, None) if lone else (float(low[column]), float(high[column]))
            rows.append(
                (by, group, name, float(values[:, column].mean()), *bounds, int(mask.sum()), len(values))
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _groups(found: Evaluation) -> Iterator[tuple[str, str, np.ndarray]]:
    split = found.split
    if split.t2 is not None:
        week = (found.queries.at - split.t2) // WEEK + 1  # (Q,)
        for number in np.unique(week):
            yield "week", str(number), week == number
    events = found.log.counts(split.train)[found.queries.target]  # (Q,)
    for by, values, ends in (("events", events, EVENTS), ("history", found.history_length, LENGTHS)):
        for low, above in zip(ends, (*ends[1:], None), strict=True):
            mask = (values >= low) if above is None else (values >= low) & (values < above)
            if mask.any():
                name = f"{low}+" if above is None else str(low) if above == low + 1 else f"{low}-{above - 1}"
                yield by, name, mask
