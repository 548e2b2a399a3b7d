"""Late interaction: a listing is compared with the user's vector and with every listing of the history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.market.log import ranges
from core.model.settings import TrainingConfig

#: Cosines of events and listings that are held at once.
HELD = 16_000_000


@dataclass(frozen=True)
class LateInteraction:
    """score = (cosine to the user's vector + `weight` x greatest cosine to a listing of the history) / (1 + `weight`).

    One vector is the middle of what a user wants; who looks for a coat and for socks wants nothing in the middle. The
    greatest cosine to one of several vectors is MaxSim (Khattab and Zaharia 2020, "ColBERT", section 3.3), here over the
    listings that the model has read; the history stays content, so new listings count like any other.
    """

    weight: float = 0.0
    newest: int = 50  # events of a history that are read

    @classmethod
    def of(cls, config: TrainingConfig) -> LateInteraction:
        """As a model was trained; one of before this was known, or that left it open, has none."""
        weight = config.late_interaction
        return cls(0.0 if weight == "auto" else weight, config.max_listings)

    def scores(
        self,
        users: np.ndarray,
        candidates: np.ndarray,
        vectors: np.ndarray,
        listing: np.ndarray,
        start: np.ndarray,
        end: np.ndarray,
    ) -> np.ndarray:
        """(B, C) float32, between -1 and 1.

        Args:
            users: (B, d) the histories' vectors.
            candidates: (C, d) what is scored.
            vectors: (L, d) all listings, of which the events' rows `listing` (N,) tell.
            start: (B,) with `end` (B,) the events of each history, of at least one.
        """
        found: np.ndarray = users @ candidates.T
        if not self.weight:
            return found
        start = np.maximum(start, end - self.newest)
        step = max(1, HELD // (max(len(candidates), 1) * self.newest))
        for low in range(0, len(start), step):
            some = slice(low, low + step)
            count = end[some] - start[some]
            events = listing[ranges(start[some], count)]  # (R,)
            like = vectors[events] @ candidates.T  # (R, C)
            found[some] += self.weight * np.maximum.reduceat(like, np.cumsum(count) - count, axis=0)
        return found / np.float32(1 + self.weight)
