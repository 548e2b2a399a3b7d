"""Popularity in training."""

from dataclasses import dataclass, field

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.scoring.baselines import Baseline


@dataclass(frozen=True, eq=False)
class Popularity(Baseline):
    """The number of training events of each listing, for everybody the same."""

    order = 10

    counts: np.ndarray = field(repr=False)  # (L,) float32
    name: str = "popularity"

    @classmethod
    def fit(cls, log: EventLog, train: np.ndarray) -> "Popularity":
        """Count the events where `train` (N,) holds."""
        return cls(log.counts(train).astype(np.float32))

    @classmethod
    def tune(cls, log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0) -> "Popularity":
        """There is nothing to tune."""
        return cls.fit(log, split.train)

    def fitted_on(self, log: EventLog, train: np.ndarray, seed: int = 0) -> "Popularity":
        """Counted among the events where `train` (N,) holds."""
        return self.fit(log, train)

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32."""
        return np.broadcast_to(self.counts, (len(batch), len(self.counts)))
