"""Implicit-feedback matrix factorization by alternating least squares (Hu, Koren & Volinsky 2008), by `implicit`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, cast

import numpy as np

from listing_vibes.market.splits import Queries
from listing_vibes.scoring.interactions import IdModel, Interactions

if TYPE_CHECKING:
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy import sparse
    from threadpoolctl import ThreadpoolController

# Factors, regularization, alpha: small markets need few factors or strong regularization, short histories a large alpha.
GRID = (
    (64, 0.01, 5.0),
    (16, 0.01, 1.0),
    (64, 10.0, 1.0),
    (128, 10.0, 1.0),
    (64, 0.01, 20.0),
    (64, 10.0, 80.0),
)
ITERATIONS = 15


@dataclass(frozen=True, eq=False)
class Als(IdModel):
    """Scores by user factor x listing factor; the user factor is solved from the history at the query's moment.

    Therefore users without training events also get scores. In a history the confidence is `alpha * decay ** age`.
    """

    order = 50
    slow = True

    interactions: Interactions = field(repr=False)
    model: AlternatingLeastSquares = field(repr=False)
    factors: int
    regularization: float
    alpha: float
    decay: float
    name: str = "ALS"

    @classmethod
    def fit(
        cls,
        interactions: Interactions,
        factors: int = 64,
        regularization: float = 0.01,
        alpha: float = 1.0,
        decay: float = 1.0,
        iterations: int = ITERATIONS,
        seed: int = 0,
    ) -> Als:
        """Factorize the training events."""
        from implicit.cpu.als import AlternatingLeastSquares

        with _single_blas_thread():
            model = AlternatingLeastSquares(
                factors=factors,
                regularization=regularization,
                alpha=alpha,
                iterations=iterations,
                random_state=np.random.default_rng(seed),
            )
            model.fit(_csr(interactions.matrix), show_progress=False)
        return cls(interactions, model, factors, regularization, alpha, decay)

    @classmethod
    def trials(cls, interactions: Interactions, seed: int = 0) -> Iterator[Als]:
        """See `IdModel`."""
        return (cls.fit(interactions, *settings, seed=seed) for settings in GRID)

    @classmethod
    def again(cls, interactions: Interactions, settings: dict[str, float], seed: int = 0) -> Als:
        """See `IdModel`."""
        factors = int(settings["factors"])
        return cls.fit(interactions, **settings | {"factors": factors}, seed=seed)  # type: ignore[arg-type]

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32, -inf for cold listings."""
        histories = _csr(self.interactions.histories(batch, self.decay))
        with _single_blas_thread():
            users = self.model.recalculate_user(np.arange(len(batch)), histories)  # (B, F)
        return self.interactions.spread(users @ self.model.item_factors.T)


def _single_blas_thread() -> AbstractContextManager[object]:
    # `implicit` has its own threads; with BLAS threads in each it warns and is many times slower.
    return cast(AbstractContextManager[object], _thread_pools().limit(limits=1, user_api="blas"))


@cache
def _thread_pools() -> ThreadpoolController:
    """Return the thread pools of the libraries that `implicit` loads; cached, since finding them is slower than a list."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _csr(matrix: sparse.csr_array) -> sparse.csr_matrix:
    """Return the matrix as the older sparse class that `implicit` requires."""
    from scipy import sparse

    return sparse.csr_matrix(matrix)
