"""How a ranking ages and thins out: recall by week after validation, by events of the target, by length of history."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from listing_vibes.defaults import K
from listing_vibes.evaluation.intervals import bootstrap_means, interval
from listing_vibes.evaluation.slices import WEEK
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Queries, Split
from listing_vibes.scoring.metrics import user_means

EVENTS = (0, 1, 3, 6, 11, 21, 51)  # lower ends of the groups
LENGTHS = (1, 2, 3, 4, 5, 6, 11, 21)
COLUMNS = ("by", "group", "scorer", "value", "low", "high", "queries", "users")


def stability(
    log: EventLog, split: Split, queries: Queries, ranks: Mapping[str, np.ndarray], seed: int = 0, k: int = K
) -> pd.DataFrame:
    """recall@k of every scorer, of `ranks` (Q,) by its name, in three ways of cutting the queries; an empty group has no row.

    `by` is `week` (1 is the first after validation ended, so that a model that is never trained again grows older from
    group to group; none in leave-one-out), `events` (of the target in training) or `history` (events in it). `value` is a
    mean over users with its 95 % interval.
    """
    rows = []
    for by, group, mask in _groups(log, split, queries):
        user = queries.user[mask]
        hits = np.column_stack([rank[mask] <= k for rank in ranks.values()]).astype(np.float64)
        values = user_means(hits, user)  # (U, S)
        low, high = interval(bootstrap_means(values, seed=seed))
        lone = len(values) < 2
        for column, name in enumerate(ranks):
            bounds = (None, None) if lone else (float(low[column]), float(high[column]))
            rows.append(
                (by, group, name, float(values[:, column].mean()), *bounds, int(mask.sum()), len(values))
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _groups(log: EventLog, split: Split, queries: Queries) -> Iterator[tuple[str, str, np.ndarray]]:
    if split.t2 is not None:
        week = (queries.at - split.t2) // WEEK + 1  # (Q,)
        for number in np.unique(week):
            yield "week", str(number), week == number
    events = log.counts(split.train)[queries.target]  # (Q,)
    for by, values, ends in (("events", events, EVENTS), ("history", queries.length, LENGTHS)):
        for low, above in zip(ends, (*ends[1:], None), strict=True):
            mask = (values >= low) if above is None else (values >= low) & (values < above)
            if mask.any():
                name = f"{low}+" if above is None else str(low) if above == low + 1 else f"{low}-{above - 1}"
                yield by, name, mask
