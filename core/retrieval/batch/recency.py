"""What is recent at a job's moment, and an index whose scores know it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.retrieval.batch.histories import read_histories
from core.retrieval.index import EXACT_TO, ExactIndex

DAY = 24 * 3600 * 10**9  # nanoseconds


class Recency(BaseModel):
    """What a listing's score gains: weight x log(1 + its recent events), as `core.evaluation.serving.RecencyPrior` does.

    Attributes:
        days: whose events are recent; events: how many of each user's last ones are, where there are no timestamps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float
    days: int | None = None
    events: int | None = None

    def gain(self, histories: Path, listings: int, at: int) -> np.ndarray:
        """(L,) float32 at the moment `at`, counted in the files that `cut_histories` left in `histories`."""
        count = np.zeros(listings, np.int64)
        for path in sorted(histories.glob("part-*.parquet")):
            log = read_histories(path, listings, self.days is not None)
            if self.days is not None:
                recent = log.time >= at - self.days * DAY
            else:
                recent = log.start[log.user + 1] - np.arange(len(log)) <= (self.events or 0)
            count += np.bincount(log.listing[recent], minlength=listings)
        return np.float32(self.weight) * np.log1p(count).astype(np.float32)


def index_with(vectors: np.ndarray, gain: np.ndarray) -> ExactIndex:
    """An index whose inner products with `asking(queries)` are the cosines of queries with `vectors` (L, d) + `gain` (L,).

    What is the same for all users is one more column, so that every kind of index can search by it.
    """
    known = vectors.any(axis=1)
    told = np.column_stack([vectors, np.where(known, gain, 0)]).astype(np.float32, copy=False)  # (L, d + 1)
    if len(told) <= EXACT_TO:
        return ExactIndex(told)
    from core.retrieval.index.choose import SAMPLE, choose

    rows = np.random.default_rng(0).choice(np.flatnonzero(known), min(SAMPLE, known.sum()), replace=False)
    return choose(told, queries=asking(vectors[rows])).index


def asking(queries: np.ndarray) -> np.ndarray:
    """(B, d + 1): the queries (B, d) as an index of `index_with` takes them."""
    return np.column_stack([queries, np.ones(len(queries), np.float32)])
