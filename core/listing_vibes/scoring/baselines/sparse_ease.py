"""EASE for many listings, without a dense inverse: the weights of each listing are solved among its neighbors.

The sparse approximation of Steck, "Markov Random Fields for Collaborative Filtering" (NeurIPS 2019, section 3.2), without
its sharing of a neighborhood by several listings: the covariance selects the nonzero weights, and each column is the ridge
regression of EASE on these.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.market.log import ranges
from listing_vibes.scoring.baselines import LeftOut
from listing_vibes.scoring.interactions import IdModel, Interactions
from listing_vibes.scoring.tuning import DECAYS

if TYPE_CHECKING:
    from scipy import sparse

PENALTIES = (100.0, 1000.0)  # the same as for EASE in a large market
NEIGHBORS = 200  # the maximum number of listings that predict another one
MOST_PAIRS = 600_000_000  # pairs of listings of a user: about 5 GB if no two users share a pair


class TooManyPairs(LeftOut):
    """The users have so many events that the co-occurrences do not fit into memory."""

    why = "too many events"


@dataclass(frozen=True, eq=False)
class SparseEase(IdModel):
    """Scores by `history @ weights`, each listing of the history weighted by `decay ** age`."""

    order = 41
    slow = True
    stands_in_for = "EASE"

    interactions: Interactions = field(repr=False)
    #: (W, W) float32, zero diagonal; column j predicts listing j.
    weights: "sparse.csr_array" = field(repr=False)
    penalty: float
    decay: float
    name: str = "sparse EASE"

    @classmethod
    def fit(
        cls,
        interactions: Interactions,
        penalty: float = 100.0,
        decay: float = 0.8,
        neighbors: int = NEIGHBORS,
    ) -> "SparseEase":
        """Solve for the weights with ridge penalty lambda; each listing is predicted by its `neighbors` of highest covariance.

        Raises:
            ValueError: the penalty is not above 0.
            TooManyPairs: the co-occurrences do not fit into memory.
        """
        (weights,) = _weights(interactions, [penalty], neighbors)
        return cls(interactions, weights, penalty, decay)

    @classmethod
    def trials(cls, interactions: Interactions, seed: int = 0) -> "Iterator[SparseEase]":
        """See `IdModel`."""
        solved = _weights(interactions, PENALTIES, NEIGHBORS)
        for penalty, weights in zip(PENALTIES, solved, strict=True):
            yield cls(interactions, weights, penalty, DECAYS[0])

    @property
    def note(self) -> str:
        """Return the difference from EASE."""
        return f"each listing predicted by the {NEIGHBORS} of highest covariance, not by all"


def _weights(interactions: Interactions, penalties: Sequence[float], most: int) -> list["sparse.csr_array"]:
    """Return the weights (W, W) with each of `penalties`, whose systems of equations are built once."""
    from scipy import sparse
    from scipy.linalg import lapack

    for penalty in penalties:
        if not penalty > 0:
            raise ValueError(f"EASE's penalty must be above 0, got {penalty}")
    pairs = int(np.square(np.diff(interactions.matrix.indptr), dtype=np.int64).sum())
    if pairs > MOST_PAIRS:
        raise TooManyPairs(
            f"The sparse approximation of EASE needs the co-occurrences of listings, up to {pairs:,} pairs here; "
            f"beyond {MOST_PAIRS:,} it is left out."
        )
    gram = interactions.cooccurrence()  # (W, W)
    users, count = gram.diagonal().astype(np.float64), gram.shape[0]
    position = np.full(count, -1, np.int32)  # position of each listing among the neighbors
    neighbors: list[np.ndarray] = []
    solved: list[list[np.ndarray]] = [[] for _ in penalties]
    for listing in range(count):
        others, both = _most_together(gram, users, listing, interactions.matrix.shape[0], most)  # (K,)
        neighbors.append(others)
        position[others] = np.arange(len(others))
        length = gram.indptr[others + 1] - gram.indptr[others]
        cells = ranges(gram.indptr[others], length)  # (C,) the co-occurrences of the neighbors
        column = position[gram.indices[cells]]
        available = np.flatnonzero(column >= 0)
        system = np.zeros((len(others), len(others)))  # (K, K), symmetric
        system[np.repeat(np.arange(len(others)), length)[available], column[available]] = gram.data[
            cells[available]
        ]
        position[others] = -1
        for penalty, columns in zip(penalties, solved, strict=True):
            if not len(others):
                columns.append(both)
                continue
            ridge = system.copy(order="F")
            ridge[np.diag_indices(len(others))] += penalty  # The penalty makes it positive definite.
            columns.append(lapack.dposv(ridge, both, overwrite_a=1)[1])
    row = np.concatenate([np.zeros(0, np.int32), *neighbors])
    end = np.cumsum([0, *map(len, neighbors)])
    return [
        sparse.csc_array(
            (np.concatenate([np.zeros(0), *columns]).astype(np.float32), row, end), shape=gram.shape
        ).tocsr()
        for columns in solved
    ]


def _most_together(
    gram: "sparse.csr_array", users: np.ndarray, listing: int, count: int, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the `most` listings with the largest covariance with a listing, which has `users` (W,) of `count`, and the numbers of
    their common users.
    """
    cells = slice(gram.indptr[listing], gram.indptr[listing + 1])
    others, both = gram.indices[cells], gram.data[cells].astype(np.float64)
    apart = others != listing
    others, both = others[apart], both[apart]
    if len(others) > most:
        covariance = both - users[others] * (users[listing] / count)
        best_of = np.sort(np.argpartition(covariance, len(others) - most)[len(others) - most :])
        others, both = others[best_of], both[best_of]
    return others, both
