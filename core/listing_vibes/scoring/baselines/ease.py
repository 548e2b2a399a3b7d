"""EASE, a linear item-item model in closed form (Steck, "Embarrassingly Shallow Autoencoders", WWW 2019)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from listing_vibes.scoring.baselines import LeftOut
from listing_vibes.scoring.interactions import IdModel, Interactions

PENALTIES = (100.0, 1000.0, 10.0, 30.0, 300.0, 3000.0)
#: Up to so many warm listings a fit takes seconds; beyond, only the first two penalties are tried.
QUICK = 6_000
#: With so many warm listings the dense inverse takes 3 GB, and n^3 operations per penalty.
MOST_LISTINGS = 20_000


@dataclass(frozen=True, eq=False)
class Ease(IdModel):
    """Scores by `history @ weights`, each listing of the history weighted by `decay ** age`."""

    order = 40
    slow = True

    interactions: Interactions = field(repr=False)
    weights: np.ndarray = field(repr=False)  # (W, W) float32, zero diagonal; column j predicts listing j
    penalty: float
    decay: float
    name: str = "EASE"

    @classmethod
    def fit(cls, interactions: Interactions, penalty: float = 100.0, decay: float = 0.8) -> "Ease":
        """Solve for the weights with ridge penalty lambda.

        Raises:
            ValueError: the penalty is not above 0.
            LeftOut: too many warm listings for a dense inverse.
        """
        from scipy.linalg import lapack  # Imported here, since tables only need the names of baselines.

        if not penalty > 0:
            raise ValueError(f"EASE's penalty must be above 0, got {penalty}")
        count = len(interactions.warm)
        if count > MOST_LISTINGS:
            raise LeftOut(
                f"EASE needs the inverse of a {count:,} x {count:,} matrix; beyond {MOST_LISTINGS:,} listings with "
                "training events it is left out."
            )
        # (W, W) and symmetric, so that its transpose has the memory order of LAPACK.
        gram = interactions.cooccurrence().toarray().astype(np.float64).T
        gram[np.diag_indices(count)] += penalty
        factor, _ = lapack.dpotrf(gram, lower=0, overwrite_a=1)  # The penalty makes `gram` positive definite.
        inverse, _ = lapack.dpotri(factor, lower=0, overwrite_c=1)  # Only the upper triangle is written.
        weights = inverse.astype(np.float32)
        weights = np.triu(weights) + np.triu(weights, 1).T
        weights /= -inverse.diagonal().astype(np.float32)  # B_ij = -P_ij / P_jj
        np.fill_diagonal(weights, 0.0)
        return cls(interactions, weights, penalty, decay)

    @classmethod
    def trials(cls, interactions: Interactions, seed: int = 0) -> "Iterator[Ease]":
        """See `IdModel`."""
        penalties = PENALTIES if len(interactions.warm) <= QUICK else PENALTIES[:2]
        return (cls.fit(interactions, penalty) for penalty in penalties)
