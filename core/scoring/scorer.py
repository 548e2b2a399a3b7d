"""Vectors as a scorer: cosine of a history's vector to every listing."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.market.splits import Queries


@dataclass(frozen=True, eq=False)
class VectorScorer:
    """Scores (B, L) = histories (B, d) @ listings (L, d); the histories are those of the queries, nothing else."""

    name: str
    listings: np.ndarray  # (L, d) float32
    encode: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (start, end) -> (B, d)

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32 cosine."""
        return self.encode(batch.start, batch.end) @ self.listings.T
