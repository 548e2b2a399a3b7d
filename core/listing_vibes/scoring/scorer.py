"""Scorers by vectors: cosines of a history's vector, and with late interaction of its listings, to all listings."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Queries
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.ranking import Scorer


@dataclass(frozen=True, eq=False)
class VectorScorer:
    """Scores by the cosines of histories, encoded by `encode`, to listings."""

    name: str
    vectors: np.ndarray  # (L, d) float32, of listings
    encode: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (start, end) -> (B, d)
    log: EventLog = field(repr=False)
    late: LateInteraction = field(default_factory=LateInteraction)

    @property
    def present(self) -> np.ndarray:
        """Return (L,) bool: all listings, since one without a vector has the cosine 0."""
        return np.ones(len(self.vectors), bool)

    @property
    def is_linear(self) -> bool:
        """Return whether scores are inner products of `query_vectors` and `vectors`, but for unwanted events."""
        return not self.late.weight

    def query_vectors(self, batch: Queries) -> np.ndarray:
        """Return the vectors (B, d) float32 of histories."""
        return self.encode(batch.start, batch.end)

    def score(self, batch: Queries) -> np.ndarray:
        """Return cosines (B, L) float32, or late interaction scores."""
        users = self.query_vectors(batch)
        return self.late.scores(users, self.vectors, self.vectors, self.log, batch.start, batch.end)


@dataclass(frozen=True, eq=False)
class PrecomputedScores:
    """Scores (B, L) that were computed before for the same queries."""

    name: str
    scores: np.ndarray

    def score(self, batch: Queries) -> np.ndarray:
        """Return the scores (B, L)."""
        return self.scores


class CachedScorer:
    """A scorer that caches the scores of its last batch, since several rankings of a table use them; with `name` instead of its own."""

    def __init__(self, scorer: Scorer, name: str = "") -> None:
        self.scorer, self.name = scorer, name or scorer.name
        self._batch: Queries | None = None
        self._scores = np.empty(0, np.float32)

    @property
    def note(self) -> str:
        """Return the note of the scorer; "" if there is none."""
        return getattr(self.scorer, "note", "")

    @property
    def settings(self) -> dict[str, float]:
        """Return the tuned settings of the scorer; empty if there are none."""
        return getattr(self.scorer, "settings", {})

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32, which must not be changed."""
        if self._batch is not batch:
            self._scores = np.asarray(self.scorer.score(batch))
            self._scores.setflags(write=False)
            self._batch = batch
        return self._scores
