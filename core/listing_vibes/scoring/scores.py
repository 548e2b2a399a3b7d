"""Scores of listings for queries: features in columns, their sum, and the scorers by vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Queries
from listing_vibes.scoring.deviations import deviations
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.ranking import Scorer


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of B queries for all L listings: the sum of columns, each a feature times its weight.

    Attributes:
        columns: (B, L) float32 by feature, or (1, L) where it is the same for all queries, after the others.
        missing: the rows and columns (n,) of listings without a score, whatever their features are.
    """

    columns: dict[str, np.ndarray]
    missing: tuple[np.ndarray, ...] = ()

    def plus(self, name: str, column: np.ndarray) -> Scores:
        """Return the scores with another column."""
        return replace(self, columns={**self.columns, name: column})

    @cached_property
    def total(self) -> np.ndarray:
        """Return the sum (B, L) float32, `-inf` for a listing without a score."""
        first, *others = self.columns.values()
        if not others and not self.missing:
            return first
        total = first.copy()
        for column in others:
            total += column
        if self.missing:
            total[self.missing] = -np.inf
        return total

    def deviations(self, known: np.ndarray) -> np.ndarray:
        """Return (B, 1) float64: the standard deviation of each query's sum over the listings `known` (L,) bool."""
        return deviations(self.total, known)


@dataclass(frozen=True, eq=False)
class VectorScorer:
    """Scores by the cosines of histories, encoded by `encode`, to listings."""

    name: str
    vectors: np.ndarray  # (L, d) float32, of listings
    encode: Callable[[EventLog, np.ndarray, np.ndarray], np.ndarray]  # (log, start, end) -> (B, d)
    log: EventLog = field(repr=False)
    late: LateInteraction = field(default_factory=LateInteraction)

    def over(self, log: EventLog) -> VectorScorer:
        """Return the same scorer for the histories of another log over the same listings."""
        return replace(self, log=log)

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
        return self.encode(self.log, batch.start, batch.end)

    def score(self, batch: Queries) -> np.ndarray:
        """Return cosines (B, L) float32, or late interaction scores."""
        users = self.query_vectors(batch)
        return self.late.scores(users, self.vectors, self.vectors, self.log, batch.start, batch.end)


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
