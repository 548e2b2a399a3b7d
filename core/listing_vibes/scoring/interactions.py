"""What id models learn from, and the history of a query as one sparse row."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Queries
from listing_vibes.scoring.baselines import Baseline

if TYPE_CHECKING:
    from scipy import sparse  # loaded where a matrix is made: a list by the model needs none


@dataclass(frozen=True, eq=False)
class Interactions:
    """Who touched what in training: W warm listings, the only ones an id model knows."""

    log: EventLog
    matrix: sparse.csr_array  # (V, W) float32 ones, users with training events x warm listings
    warm: np.ndarray  # (W,) int64, their rows among all L listings, ascending

    @classmethod
    def of(cls, log: EventLog, train: np.ndarray) -> Interactions:
        """The events where `train` (N,) holds; a listing counts once per user.

        Raises:
            VibesError: no event trains.
        """
        if not train.any():
            raise VibesError("No event lies before the end of training; choose a later one.")
        from scipy import sparse

        warm, column = np.unique(log.listing[train], return_inverse=True)
        _, row = np.unique(log.user[train], return_inverse=True)
        pairs = np.unique(row.astype(np.int64) * len(warm) + column)
        row, column = np.divmod(pairs, len(warm))
        shape = (int(row[-1]) + 1, len(warm))
        matrix = sparse.csr_array((np.ones(len(pairs), np.float32), (row, column)), shape=shape)
        return cls(log, matrix, warm.astype(np.int64))

    def histories(self, batch: Queries, decay: float) -> sparse.csr_array:
        """(B, W) float32 recency weights of each query's history, warm listings only."""
        return history_matrix(self.log, batch.start, batch.end, decay)[:, self.warm]

    def spread(self, scores: np.ndarray) -> np.ndarray:
        """Scores (B, W) of the warm listings as (B, L), `-inf` for the cold ones, of which an id model knows nothing."""
        if len(self.warm) == self.log.listings:
            return np.asarray(scores, np.float32)
        full = np.full((len(scores), self.log.listings), -np.inf, np.float32)
        full[:, self.warm] = scores
        return full

    def cooccurrence(self) -> sparse.csr_array:
        """(W, W) float32: how many users touched both listings; the diagonal holds each listing's users."""
        return (self.matrix.T @ self.matrix).tocsr()


class IdModel(Baseline):
    """What ItemKNN, EASE and ALS share: fitted on `interactions`, with a handful of numbers that were tuned.

    A dataclass that derives from it shows (`repr`) the tuned numbers and nothing else.
    """

    interactions: Interactions
    name: str
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def settings(self) -> dict[str, float]:
        """The tuned numbers by their names, as `again` takes them."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.repr and f.name != "name"}

    def over(self, log: EventLog) -> Self:
        """The same model for the histories of another log over the same listings."""
        return replace(self, interactions=replace(self.interactions, log=log))

    @classmethod
    def again(cls, interactions: Interactions, settings: dict[str, float], seed: int = 0) -> Self:
        """The model with settings that were tuned before, on these interactions."""
        return cls.fit(interactions, **settings)  # type: ignore[attr-defined]

    def fitted_on(self, log: EventLog, train: np.ndarray, seed: int = 0) -> Self:
        """See `Baseline`."""
        return self.again(Interactions.of(log, train), self.settings, seed)


def history_matrix(log: EventLog, start: np.ndarray, end: np.ndarray, decay: float) -> sparse.csr_array:
    """(B, L) float32: `decay ** age` at each listing of the histories `start : end` (B,), age 0 for the one touched last.

    A listing counts once, at its newest touch, and ages are counted in distinct listings. One whose newest touch says "not this"
    does not count.
    """
    from scipy import sparse

    length = end - start
    query = np.repeat(np.arange(len(start)), length)  # (E,) of all events of all histories
    back = np.arange(len(query)) - np.repeat(np.cumsum(length) - length, length)  # 0 is the newest event
    event = np.repeat(end - 1, length) - back
    listing = log.listing[event]
    newest = np.sort(np.unique(query * log.listings + listing, return_index=True)[1])
    if log.some_unwanted:
        newest = newest[log.wanted[event[newest]]]
    query, listing = query[newest], listing[newest]
    first = np.searchsorted(query, np.arange(len(start)))  # where each query's listings begin
    age = np.arange(len(query)) - first[query]
    weight = np.power(decay, age, dtype=np.float64).astype(np.float32)
    return sparse.csr_array((weight, (query, listing)), shape=(len(start), log.listings))
