"""Nearest neighbors of the history in any space of vectors: attributes, photos, texts."""

from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split, choosing
from listing_vibes.scoring.interactions import history_matrix
from listing_vibes.scoring.late_interaction import add_nearest
from listing_vibes.scoring.tuning import DECAYS, best, validation_sample
from listing_vibes.scoring.unwanted import taken

#: What the neighbors by each space are called.
NEIGHBORS = {"attributes": "attribute neighbors", "photos": "photo neighbors", "text": "text neighbors"}
#: By so much the length of a vector that was brought to one may differ from it in float32.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class VectorNeighbors:
    """Scores a listing by its mean cosine to the listings of the history, weighed by `decay ** age`, or, `nearest`, by its
    greatest cosine to one of them, as late interaction does: who bought a coat and socks wants nothing in the middle.

    A zero vector says that a listing has nothing in this space: it is scored `-inf` and does not speak in a history.
    Nothing is trained, so cold listings are served like any other.
    What is like a listing that the history calls unwanted falls, as by a request's `not`.
    """

    log: EventLog = field(repr=False)
    vectors: np.ndarray = field(repr=False)  # (L, d) float32, of length one or zero
    present: np.ndarray = field(repr=False)  # (L,) bool: which listings have something in this space
    decay: float
    name: str
    nearest: bool = False

    @classmethod
    def of(
        cls,
        vectors: np.ndarray,
        log: EventLog,
        decay: float = 0.8,
        name: str = "neighbors",
        nearest: bool = False,
    ) -> "VectorNeighbors":
        """Return neighbors by `vectors` (L, d), a row a listing of `log`; they need not be normalised.

        Raises:
            ValueError: the number of rows is not that of the listings, or a value is not finite.
        """
        if len(vectors) != log.listings or not np.isfinite(vectors).all():
            raise ValueError(
                f"vectors must be finite and have {log.listings} rows, got shape {vectors.shape}"
            )
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors
        # Of vectors that are of length one no copy is made: a run's own may be what several processes share.
        if vectors.dtype != np.float32 or (np.abs(length[length > 0] - 1) > ROUNDING).any():
            unit = np.divide(vectors, length, out=np.zeros(vectors.shape, np.float32), where=length > 0)
        return cls(log, unit, np.any(unit, axis=1), decay, name, nearest)

    @classmethod
    def tune(
        cls,
        vectors: np.ndarray,
        log: EventLog,
        split: Split,
        catalogue: Catalogue,
        name: str = "neighbors",
        seed: int = 0,
        means_alone: bool = False,
    ) -> "VectorNeighbors":
        """The recency weight with the best validation recall@30, or the nearest listing where that finds more (unless
        `means_alone`)."""
        base = cls.of(vectors, log, name=name)
        means = (replace(base, decay=decay) for decay in DECAYS)
        nearest = [] if means_alone else [replace(base, decay=1.0, nearest=True)]
        trials = chain(means, nearest)
        query = choosing(
            split, log, catalogue
        )  # nothing is fitted, so that what trains a model may choose here
        return best(trials, log, validation_sample(query, seed, log.listings), catalogue)

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32."""
        present = self.present
        scores = self._nearest(batch) if self.nearest else self._mean(batch)
        if not present.all():
            scores[:, ~present] = -np.inf
        if self.log.some_unwanted:
            owner, rows = self.log.not_this(batch.start, batch.end)
            for query in np.unique(owner):
                scores[query] -= taken(scores[query], self.vectors, rows[owner == query])
        return scores

    @property
    def note(self) -> str:
        """How a history is read, where it is not by its mean."""
        return "by the nearest listing of a history" if self.nearest else ""

    def _mean(self, batch: Queries) -> np.ndarray:
        """(B, L) weighed means of cosines."""
        weight = history_matrix(self.log, batch.start, batch.end, self.decay)  # (B, L)
        total = weight @ self.present.astype(np.float32)  # (B,)
        mean = (weight @ self.vectors) / np.maximum(total, np.finfo(np.float32).tiny)[:, None]  # (B, d)
        result: np.ndarray = mean @ self.vectors.T
        return result

    def _nearest(self, batch: Queries) -> np.ndarray:
        """(B, L) greatest cosines."""
        result = np.zeros((len(batch), len(self.vectors)), np.float32)
        given = self.log, batch.start, batch.end
        if self.log.some_unwanted:
            part = self.log.wanted_only(batch.start, batch.end)
            given = part, part.start[:-1], part.start[1:]
        add_nearest(result, 1.0, self.vectors, self.vectors, *given, speaks=self.present)
        return result


def encode_untrained(
    vectors: np.ndarray, log: EventLog, start: np.ndarray, end: np.ndarray, decay: float = DECAYS[0]
) -> np.ndarray:
    """Return a vector for each history without a model: the mean of its listings, the newest weighed most.

    Args:
        vectors: (L, d) float32, of length one or zero.
        start: (B,) with `end` (B,) the events of each history in `log`.
        decay: weight of a listing against the one touched after it.

    Returns:
        (B, d) float32, L2-normalized; zero where no listing of the history has a vector.
    """
    means: np.ndarray = history_matrix(log, start, end, decay) @ vectors
    length = np.linalg.norm(means, axis=1, keepdims=True)
    return np.divide(means, length, out=np.zeros_like(means), where=length > 0)
