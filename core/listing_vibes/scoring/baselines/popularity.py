"""Popularity in training."""

from dataclasses import dataclass, field

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.scoring.baselines import Baseline


@dataclass(frozen=True, eq=False)
class Popularity(Baseline):
    """Scores by the number of training events of each listing, the same for all users."""

    order = 10

    counts: np.ndarray = field(repr=False)  # (L,) float32
    name: str = "popularity"

    @classmethod
    def fit(cls, log: EventLog, train: np.ndarray) -> "Popularity":
        """Count the events `train` (N,) bool."""
        return cls(log.counts(train).astype(np.float32))

    @classmethod
    def tune(cls, log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0) -> "Popularity":
        """Return the counts of the training events; there is nothing to tune."""
        return cls.fit(log, split.train)

    def fitted_on(self, log: EventLog, train: np.ndarray, seed: int = 0) -> "Popularity":
        """Return the counts of the events `train` (N,) bool."""
        return self.fit(log, train)

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32."""
        return np.broadcast_to(self.counts, (len(batch), len(self.counts)))
