"""Vectors as a scorer: how near a history's vector, and maybe its listings, come to every listing."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Queries
from listing_vibes.scoring.late_interaction import LateInteraction


@dataclass(frozen=True, eq=False)
class VectorScorer:
    """Scores (B, L) of the queries' histories, read by `encode`, against `listings`: nothing but content is asked."""

    name: str
    listings: np.ndarray  # (L, d) float32
    encode: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (start, end) -> (B, d)
    log: EventLog = field(repr=False)
    late: LateInteraction = field(default_factory=LateInteraction)

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32 cosine, or what late interaction makes of several."""
        start, end = batch.start, batch.end
        users = self.encode(start, end)
        return self.late.scores(users, self.listings, self.listings, self.log, start, end)


@dataclass(frozen=True, eq=False)
class Made:
    """Scores (B, L) that were made before, of the very queries that are asked."""

    name: str
    scores: np.ndarray

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L), those scores."""
        return self.scores
