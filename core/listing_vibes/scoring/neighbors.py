"""Nearest neighbors of the history in any space of vectors: attributes, photos, texts."""

from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from listing_vibes.features.reduce import unit_rows
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split, choosing
from listing_vibes.scoring.deviations import unwanted_penalty
from listing_vibes.scoring.interactions import history_matrix
from listing_vibes.scoring.late_interaction import add_nearest
from listing_vibes.scoring.tuning import DECAYS, best, validation_sample

#: The name of the neighbors by each space.
NEIGHBORS = {"attributes": "attribute neighbors", "photos": "photo neighbors", "text": "text neighbors"}
#: The tolerance of the length of normalized vectors in float32.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class VectorNeighbors:
    """Scores by the mean cosine to the listings of the history, weighted by `decay ** age`, or with `nearest` by the greatest cosine.

    A zero vector is a listing without a vector: it is scored `-inf` and ignored in histories. Nothing is trained, so cold listings
    are scored as well. Listings similar to unwanted ones of the history get lower scores, as by the rule `not`.
    """

    log: EventLog = field(repr=False)
    vectors: np.ndarray = field(repr=False)  # (L, d) float32, of length one or zero
    present: np.ndarray = field(repr=False)  # (L,) bool: which listings have a vector
    decay: float
    name: str
    nearest: bool = False
    weights: str = ""  # those of attributes, in words

    @classmethod
    def of(
        cls,
        vectors: np.ndarray,
        log: EventLog,
        decay: float = DECAYS[0],
        name: str = "neighbors",
        nearest: bool = False,
    ) -> "VectorNeighbors":
        """Return neighbors by `vectors` (L, d), one row per listing of `log`, which need not be normalized."""
        length = np.linalg.norm(vectors, axis=1)
        # Normalized vectors are not copied, since several processes may share those of a run.
        if vectors.dtype != np.float32 or (np.abs(length[length > 0] - 1) > ROUNDING).any():
            vectors = unit_rows(vectors).astype(np.float32)
        return cls(log, vectors, np.any(vectors, axis=1), decay, name, nearest)

    @classmethod
    def tune(
        cls,
        vectors: np.ndarray,
        log: EventLog,
        split: Split,
        catalogue: Catalogue,
        name: str = "neighbors",
        seed: int = 0,
    ) -> "VectorNeighbors":
        """Return the neighbors with the decay of the best validation recall@30, or by the nearest listing if that has a higher one."""
        base = cls.of(vectors, log, name=name)
        means = (replace(base, decay=decay) for decay in DECAYS)
        trials = chain(means, [replace(base, decay=1.0, nearest=True)])
        query = choosing(split, log, catalogue)  # Nothing is fitted, so training events may be used.
        return best(trials, log, validation_sample(query, seed, log.listings), catalogue)

    def over(self, log: EventLog) -> "VectorNeighbors":
        """Return the same neighbors for the histories of another log over the same listings."""
        return replace(self, log=log)

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32."""
        if self.nearest:
            scores = np.zeros((len(batch), len(self.vectors)), np.float32)
            events = self.log.select_positive(batch.start, batch.end)
            add_nearest(scores, 1.0, self.vectors, self.vectors, *events, present=self.present)
        else:
            scores = self.query_vectors(batch) @ self.vectors.T
        scores[:, ~self.present] = -np.inf
        owner, rows = self.log.negatives(batch.start, batch.end)
        for query in np.unique(owner):
            scores[query] -= unwanted_penalty(scores[query], self.vectors, rows[owner == query])
        return scores

    @property
    def note(self) -> str:
        """Return how histories are used, if not by their mean, and the weights of attributes."""
        return ", ".join(
            filter(None, ["by the nearest listing of a history" if self.nearest else "", self.weights])
        )

    @property
    def is_linear(self) -> bool:
        """Return whether scores are inner products of `query_vectors` and `vectors`, but for unwanted events."""
        return not self.nearest

    def query_vectors(self, batch: Queries) -> np.ndarray:
        """Return the weighted mean vectors (B, d) float32 of histories."""
        weight = history_matrix(self.log, batch.start, batch.end, self.decay)  # (B, L)
        total = weight @ self.present.astype(np.float32)  # (B,)
        mean: np.ndarray = (weight @ self.vectors) / np.maximum(total, np.finfo(np.float32).tiny)[:, None]
        return mean


def encode_untrained(vectors: np.ndarray, log: EventLog, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return a vector of each history without a model: the weighted mean of its listings, newest first.

    Args:
        vectors: (L, d) float32, of length one or zero.
        start: (B,) with `end` (B,) the events of each history in `log`.

    Returns:
        (B, d) float32, L2-normalized; zero if no listing of the history has a vector.
    """
    return unit_rows(history_matrix(log, start, end, DECAYS[0]) @ vectors)
