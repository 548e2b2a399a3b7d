"""EASE of many listings, whose dense inverse is out of reach: each listing's weights are solved among its own neighbours.

The sparse approximation of Steck, "Markov Random Fields for Collaborative Filtering" (NeurIPS 2019, section 3.2), without
its sharing of one neighbourhood by several listings: which weights may differ from zero is told by covariance, and
each column is the ridge regression of EASE on those alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.scoring.baselines import LeftOut
from listing_vibes.scoring.interactions import IdModel, Interactions
from listing_vibes.scoring.tuning import DECAYS, best, validation_sample

if TYPE_CHECKING:
    from scipy import sparse

PENALTIES = (100.0, 1000.0)  # as of EASE in a large catalogue
NEIGHBOURS = 200  # listings that predict one, at most
MOST_PAIRS = 600_000_000  # of listings of one user: some 5 GB where no two users share one


class TooManyPairs(LeftOut):
    """Users touched so much that what was touched together does not fit into memory."""

    why = "too many events"


@dataclass(frozen=True, eq=False)
class SparseEase(IdModel):
    """Scores by `history @ weights`, each listing of the history weighed by `decay ** age`."""

    label = "EASE (sparse approximation)"
    order = 41
    slow = True
    stands_in_for = "ease"

    interactions: Interactions = field(repr=False)
    weights: "sparse.csr_array" = field(
        repr=False
    )  # (W, W) float32, zero diagonal; column j predicts listing j
    penalty: float
    decay: float
    name: str = "sparse ease"

    @classmethod
    def fit(
        cls,
        interactions: Interactions,
        penalty: float = 100.0,
        decay: float = 0.8,
        neighbours: int = NEIGHBOURS,
    ) -> "SparseEase":
        """Solve for the weights with ridge penalty lambda, those of a listing on the `neighbours` that go most with it.

        Raises:
            ValueError: the penalty is not above 0.
            TooManyPairs: what was touched together does not fit into memory.
        """
        (weights,) = _weights(interactions, [penalty], neighbours)
        return cls(interactions, weights, penalty, decay)

    @classmethod
    def tune(cls, log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0) -> "SparseEase":
        """The penalty and recency weight with the best validation recall@30."""
        interactions = Interactions.of(log, split.train)
        solved = _weights(interactions, PENALTIES, NEIGHBOURS)

        def trials() -> Iterator[SparseEase]:
            for penalty, weights in zip(PENALTIES, solved, strict=True):
                fitted = cls(interactions, weights, penalty, DECAYS[0])
                yield from (replace(fitted, decay=decay) for decay in DECAYS)

        return best(trials(), log, validation_sample(split, seed, log.listings), catalogue)

    @property
    def note(self) -> str:
        """What tells it from EASE."""
        return f"each listing predicted by the {NEIGHBOURS} that go most with it, not by all"

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32, -inf for cold listings."""
        scores = self.interactions.histories(batch, self.decay) @ self.weights  # (B, W) sparse
        return self.interactions.spread(scores.toarray())


def _weights(
    interactions: Interactions, penalties: Sequence[float], neighbours: int
) -> list["sparse.csr_array"]:
    """The weights (W, W) with each of `penalties`, whose systems of equations are gathered once."""
    from scipy import sparse
    from scipy.linalg import lapack

    for penalty in penalties:
        if not penalty > 0:
            raise ValueError(f"EASE's penalty must be above 0, got {penalty}")
    pairs = int(np.square(np.diff(interactions.matrix.indptr), dtype=np.int64).sum())
    if pairs > MOST_PAIRS:
        raise TooManyPairs(
            f"The sparse approximation of EASE needs which listings were touched together, up to {pairs:,} pairs here; "
            f"beyond {MOST_PAIRS:,} it is left out."
        )
    gram = interactions.cooccurrence()  # (W, W)
    users, count = gram.diagonal().astype(np.float64), gram.shape[0]
    place = np.full(count, -1, np.int32)  # of a listing among the neighbours
    neighbors: list[np.ndarray] = []
    solved: list[list[np.ndarray]] = [[] for _ in penalties]
    for listing in range(count):
        own = slice(gram.indptr[listing], gram.indptr[listing + 1])
        others, both = _most_together(
            listing, gram.indices[own], gram.data[own].astype(np.float64), users, interactions, neighbours
        )  # (K,)
        neighbors.append(others)
        place[others] = np.arange(len(others))
        length = gram.indptr[others + 1] - gram.indptr[others]
        cells = ranges(gram.indptr[others], length)  # (C,) of all that is known of the neighbours
        column = place[gram.indices[cells]]
        available = np.flatnonzero(column >= 0)
        system = np.zeros((len(others), len(others)))  # (K, K), symmetric
        system[np.repeat(np.arange(len(others)), length)[available], column[available]] = gram.data[
            cells[available]
        ]
        place[others] = -1
        for penalty, columns in zip(penalties, solved, strict=True):
            if not len(others):
                columns.append(both)
                continue
            ridge = system.copy(order="F")
            ridge[np.diag_indices(len(others))] += penalty  # positive definite by this
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
    listing: int,
    others: np.ndarray,
    both: np.ndarray,
    users: np.ndarray,
    interactions: Interactions,
    most: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Of the `others` (n,) that share users with a listing the `most` whose covariance with it is largest, and how many users
    they share, of `both` (n,); `users` (W,) is how many each listing has."""
    apart = others != listing
    others, both = others[apart], both[apart]
    if len(others) > most:
        covariance = both - users[others] * (users[listing] / interactions.matrix.shape[0])
        best_of = np.sort(np.argpartition(covariance, len(others) - most)[len(others) - most :])
        others, both = others[best_of], both[best_of]
    return others, both
