"""Exact nearest neighbours by cosine over the listings that have a vector in a space."""

from functools import cached_property

import faiss
import numpy as np


class ExactIndex:
    """Inner product over L2-normalised vectors (L, d); zero rows (nothing known in this space) are never found."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.known = np.any(self.vectors != 0, axis=1)  # (L,)

    @cached_property
    def _flat(self) -> faiss.IndexFlatIP:
        index = faiss.IndexFlatIP(self.vectors.shape[1])
        index.add(self.vectors)
        return index

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best listings of each query, best first.

        Args:
            queries: (B, d) float32, L2-normalised.
            allowed: (L,) bool, which listings may be found; None = all.

        Returns:
            rows (B, k) int64, -1 where there are fewer, and scores (B, k) float32, cosine in [-1, 1].
        """
        usable = self.known if allowed is None else self.known & allowed
        ids = np.flatnonzero(usable)
        parameters = None
        if len(ids) < len(usable):
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBatch(ids))  # type: ignore[call-arg]
        if not len(ids):
            return np.full((len(queries), k), -1), np.zeros((len(queries), k), np.float32)
        scores, rows = self._flat.search(np.ascontiguousarray(queries, np.float32), k, params=parameters)
        return rows, scores
