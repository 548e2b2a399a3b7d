"""Candidates of lists in a large market: an index retrieves them where all scores are inner products.

The model adds a cosine to a score, neighbors the product of a mean vector with a listing's, recent events and age a number of the
listing; each times its factor in the blend. With the vectors of all spaces side by side the sum is a single inner product.
"""

from __future__ import annotations

import numpy as np

from listing_vibes.market.splits import Queries
from listing_vibes.scoring.blend import Blend
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.scorer import VectorScorer
from listing_vibes.search.approximate import CandidateIndex, choose_index

Weighted = list[tuple[VectorScorer | VectorNeighbors, np.float32]]


def weighted_scorers(scorer: Scorer) -> Weighted | None:
    """Return the scorers of the model only or of a blend with their factors; None where scores are no inner products."""
    if isinstance(scorer, Blend):
        weighted = [(part, scorer.weights.factor(name)) for name, part in scorer.scorers.items()]
    else:
        weighted = [(scorer, np.float32(1))]
    if all(isinstance(part, VectorScorer | VectorNeighbors) and part.is_linear for part, _ in weighted):
        return [(part, factor) for part, factor in weighted if factor]  # type: ignore[misc]
    return None


class Candidates:
    """The index of a recommender at a moment, with the vectors that it compares.

    Args:
        weighted: see `weighted_scorers`.
        gain: (L,) the part of scores that is the same for all users; None without one.
        sample: some queries of the recommender, by which the index is chosen.
    """

    index: CandidateIndex | None

    def __init__(self, weighted: Weighted, gain: np.ndarray | None, sample: Queries) -> None:
        # A listing without a vector gets the mean score of the others, which is the query's product with their mean.
        self._means: list[np.ndarray | None] = [
            None if part.present.all() else part.vectors[part.present].mean(axis=0) for part, _ in weighted
        ]
        columns = [
            ~part.present for (part, _), mean in zip(weighted, self._means, strict=True) if mean is not None
        ]
        self._has_gain = gain is not None and bool(gain.any())
        if gain is not None and self._has_gain:
            columns.append(gain)
        parts = [part.vectors for part, _ in weighted]
        if columns:
            parts.append(np.column_stack(columns).astype(np.float32))
        self.index = choose_index(parts, self.query_vectors(weighted, sample))

    def query_vectors(self, weighted: Weighted, batch: Queries) -> np.ndarray:
        """Return the vectors (B, d) whose inner products with those of listings are scores."""
        parts, columns = [], []
        for (scorer, factor), mean in zip(weighted, self._means, strict=True):
            parts.append(scorer.query_vectors(batch) * factor)
            if mean is not None:
                columns.append(parts[-1] @ mean)
        if self._has_gain:
            columns.append(np.ones(len(batch), np.float32))
        return np.column_stack([*parts, *columns]).astype(np.float32)
