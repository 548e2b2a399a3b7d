"""Item-based nearest neighbors on co-occurrence (Sarwar et al. 2001, with shrinkage as in Bell & Koren 2007)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.scoring.interactions import IdModel, Interactions

if TYPE_CHECKING:
    from scipy import sparse  # Imported where it is used, since tables only need the names of baselines.

SHRINKS = (20.0, 0.0, 5.0, 100.0)
DENSE = 12_000  # Up to so many warm listings all similarities are stored in a dense matrix.
NEIGHBORS = 500  # With more listings so many neighbors are stored per listing.
BLOCK = 1024


@dataclass(frozen=True, eq=False)
class ItemKNN(IdModel):
    """Scores a listing by its similarity to the history, each listing of it weighted by `decay ** age`.

    Similarity is the cosine of the listings' user sets, with shrinkage for few common users:
    `both / (sqrt(users_i * users_j) + shrink)`; a listing is not similar to itself.
    """

    order = 30

    interactions: Interactions = field(repr=False)
    #: (W, W) float32 similarities, row: of the history.
    weights: np.ndarray | sparse.csr_array = field(repr=False)
    shrink: float
    decay: float
    name: str = "ItemKNN"

    @classmethod
    def fit(
        cls,
        interactions: Interactions,
        shrink: float = 20.0,
        decay: float = 0.9,
        neighbors: int | None = None,
    ) -> ItemKNN:
        """Compute the similarities of the training events; only of the `neighbors` most similar ones of each listing (None: of all, or
        with more than `DENSE` listings of `NEIGHBORS`).
        """
        from scipy import sparse

        if neighbors is None and len(interactions.warm) > DENSE:
            neighbors = NEIGHBORS
        users = np.sqrt(interactions.matrix.sum(axis=0))  # (W,)
        parts = []
        columns = interactions.matrix.tocsc()
        for low in range(0, len(users), BLOCK):
            part = (columns[:, low : low + BLOCK].T @ interactions.matrix).tocoo()
            row, column = part.coords
            apart = row + low != column
            row, column, both = row[apart], column[apart], part.data[apart]
            data = both / (users[row + low] * users[column] + shrink)
            block = sparse.csr_array((data.astype(np.float32), (row, column)), shape=part.shape)
            if neighbors is not None:
                block = _strongest(block, neighbors)
            parts.append(block.toarray() if neighbors is None else block)
        weights = np.vstack(parts) if neighbors is None else sparse.vstack(parts, format="csr")
        return cls(interactions, weights, shrink, decay)

    @classmethod
    def trials(cls, interactions: Interactions, seed: int = 0) -> Iterator[ItemKNN]:
        """See `IdModel`."""
        return (cls.fit(interactions, shrink) for shrink in SHRINKS)


def _strongest(block: sparse.csr_array, most: int) -> sparse.csr_array:
    """Return the `most` largest values of each row."""
    from scipy import sparse

    keep = np.ones(block.nnz, bool)
    for low, high in zip(block.indptr[:-1], block.indptr[1:], strict=True):
        if high - low > most:
            weakest = np.argpartition(block.data[low:high], high - low - most)[: high - low - most]
            keep[low + weakest] = False
    row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    return sparse.csr_array((block.data[keep], (row[keep], block.indices[keep])), shape=block.shape)
