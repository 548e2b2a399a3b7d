"""What is recent at a moment, as one more column of the listings' vectors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.market.log import DAY, EventLog


class Recency(BaseModel):
    """What a listing's score gains: weight x log(1 + its recent events), as `core.scoring.blends.RecencyPrior` does.

    Attributes:
        days: whose events are recent; events: how many of each user's last ones are, where there are no timestamps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float
    days: int | None = None
    events: int | None = None

    def gain(self, logs: Iterable[EventLog], listings: int, at: int) -> np.ndarray:
        """(L,) float32 at the moment `at`, of `logs` that share the users' events among them."""
        count = np.zeros(listings, np.int64)
        for log in logs:
            if self.days is not None:
                recent = (log.time < at) & (log.time >= at - self.days * DAY)
            else:
                recent = log.start[log.user + 1] - np.arange(len(log)) <= (self.events or 0)
            count += np.bincount(log.listing[recent], minlength=listings)
        return np.float32(self.weight) * np.log1p(count).astype(np.float32)


def beside(vectors: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """(L, d + 1) float32, whose inner products with `asking(queries)` are those of `vectors` (L, d) with the queries
    + `gain` (L,); a zero row stays one.

    The gain is the same for all users, so that every kind of index can search by it.
    """
    known = vectors.any(axis=1)
    return np.column_stack([vectors, np.where(known, gain, np.float32(0))])


def asking(queries: np.ndarray) -> np.ndarray:
    """(B, d + 1): the queries (B, d) of vectors that stand `beside` a gain."""
    return np.column_stack([queries, np.ones(len(queries), np.float32)])
