"""The interaction matrix of id models, and histories as sparse rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.scoring.baselines import Baseline
from listing_vibes.scoring.tuning import DECAYS, best, validation_sample

if TYPE_CHECKING:
    from scipy import sparse  # Imported where it is used, since lists by the model do not need it.


@dataclass(frozen=True, eq=False)
class Interactions:
    """The training interactions of users with W warm listings, the only ones that an id model knows."""

    log: EventLog
    matrix: sparse.csr_array  # (V, W) float32 ones, users with training events x warm listings
    warm: np.ndarray  # (W,) int64, their rows among all L listings, ascending

    @classmethod
    def of(cls, log: EventLog, train: np.ndarray) -> Interactions:
        """Return the interactions of the events `train` (N,) bool; a listing counts once per user.

        Raises:
            VibesError: there are no training events.
        """
        if not train.any():
            raise VibesError("No event is before the end of training; choose a later end.")
        from scipy import sparse

        warm, column = np.unique(log.listing[train], return_inverse=True)
        _, row = np.unique(log.user[train], return_inverse=True)
        pairs = np.unique(row.astype(np.int64) * len(warm) + column)
        row, column = np.divmod(pairs, len(warm))
        shape = (int(row[-1]) + 1, len(warm))
        matrix = sparse.csr_array((np.ones(len(pairs), np.float32), (row, column)), shape=shape)
        return cls(log, matrix, warm.astype(np.int64))

    def histories(self, batch: Queries, decay: float) -> sparse.csr_array:
        """Return the recency weights (B, W) float32 of each query's history, warm listings only."""
        return history_matrix(self.log, batch.start, batch.end, decay)[:, self.warm]

    def spread(self, scores: np.ndarray) -> np.ndarray:
        """Return scores (B, W) of the warm listings as (B, L), with `-inf` for cold listings."""
        if len(self.warm) == self.log.listings:
            return np.asarray(scores, np.float32)
        full = np.full((len(scores), self.log.listings), -np.inf, np.float32)
        full[:, self.warm] = scores
        return full

    def cooccurrence(self) -> sparse.csr_array:
        """Return (W, W) float32: the number of users with both listings; the diagonal has the users of each listing."""
        return (self.matrix.T @ self.matrix).tocsr()


class IdModel(Baseline):
    """Base class of ItemKNN, EASE and ALS, which are fitted on `interactions` with a few tuned settings.

    Subclasses are dataclasses whose `repr` has only the tuned settings. Those that do not override `score` have `weights`.
    """

    interactions: Interactions
    decay: float
    name: str
    weights: np.ndarray | sparse.csr_array  # (W, W) float32, zero diagonal, row: of the history
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def settings(self) -> dict[str, float]:
        """Return the tuned settings by name, as `again` takes them."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.repr and f.name != "name"}

    def over(self, log: EventLog) -> Self:
        """Return the same model for the histories of another log over the same listings."""
        return replace(self, interactions=replace(self.interactions, log=log))

    @classmethod
    def trials(cls, interactions: Interactions, seed: int = 0) -> Iterator[Self]:
        """Yield the model fitted with each of its settings, apart from the decay of a history, which needs no fit."""
        raise NotImplementedError

    @classmethod
    def tune(cls, log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0) -> Self:
        """Return the model with the settings and the decay of the best validation recall@30."""
        fitted = cls.trials(Interactions.of(log, split.train), seed)
        models = (replace(model, decay=decay) for model in fitted for decay in DECAYS)
        return best(models, log, validation_sample(split, seed, log.listings), catalogue)

    @classmethod
    def again(cls, interactions: Interactions, settings: dict[str, float], seed: int = 0) -> Self:
        """Fit the model with settings that were tuned before."""
        return cast(Self, cls.fit(interactions, **settings))  # type: ignore[attr-defined]

    def fitted_on(self, log: EventLog, train: np.ndarray, seed: int = 0) -> Self:
        """See `Baseline`."""
        return self.again(Interactions.of(log, train), self.settings, seed)

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32: the sum of the weights of the history, each times `decay ** age`; -inf for cold listings."""
        scores = self.interactions.histories(batch, self.decay) @ self.weights  # (B, W)
        return self.interactions.spread(scores if isinstance(scores, np.ndarray) else scores.toarray())


def history_matrix(log: EventLog, start: np.ndarray, end: np.ndarray, decay: float) -> sparse.csr_array:
    """Return (B, L) float32: `decay ** age` at each listing of the histories `start : end` (B,), with age 0 for the newest one.

    A listing counts once, at its newest event, and age is counted in distinct listings. A listing whose newest event is unwanted
    does not count.
    """
    from scipy import sparse

    length = end - start
    query = np.repeat(np.arange(len(start)), length)  # (E,) of all events of all histories
    back = np.arange(len(query)) - np.repeat(np.cumsum(length) - length, length)  # 0 is the newest event
    event = np.repeat(end - 1, length) - back
    listing = log.listing[event]
    newest = np.sort(np.unique(query * log.listings + listing, return_index=True)[1])
    if log.has_negatives:
        newest = newest[log.is_positive[event[newest]]]
    query, listing = query[newest], listing[newest]
    first = np.searchsorted(query, np.arange(len(start)))  # the position of each query's first listing
    age = np.arange(len(query)) - first[query]
    weight = np.power(decay, age, dtype=np.float64).astype(np.float32)
    return sparse.csr_array((weight, (query, listing)), shape=(len(start), log.listings))
