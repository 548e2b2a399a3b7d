"""Approximate neighbours by FAISS: HNSW for quick single queries, IVF-PQ where the vectors are too many for memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.search.index.exact import ExactIndex, best, nearest

LINKS, BUILD_EFFORT = 32, 200  # of HNSW (Malkov & Yashunin 2016)
#: Below this share of allowed rows the exact search of these rows is quicker, and finds all.
FEW = 0.1
#: HNSW's candidates or IVF's lists that are looked at, unless measuring asks for more.
EFFORT = 64
#: How many candidates are ranked again by float32 for each that is wanted.
OVER = {"hnsw": 1, "ivf-pq": 10}
#: What a part of a vector may be in IVF-PQ, in 8 bits: no fewer vectors can teach them.
CODES = 256
#: As many times more candidates are taken where some are struck as would hold `k` others if these lay evenly.
SLACK = 2


class ApproximateIndex(ExactIndex):
    """A FAISS index over vectors (L, d), which stay where they are (mapped from a file) and rank what it finds.

    Attributes:
        effort: HNSW's efSearch or IVF's nprobe: more finds more and takes longer.
    """

    def __init__(self, vectors: np.ndarray, index: Any, kind: str, effort: int) -> None:
        super().__init__(vectors)
        if index.ntotal != len(self.vectors):
            raise VibesError(
                f"The index holds {index.ntotal} listings, not {len(self.vectors)}; build it again."
            )
        self._index, self.kind, self.effort = index, kind, effort

    @classmethod
    def build(cls, vectors: np.ndarray, kind: str) -> Self:
        """Build an index of `kind`, "hnsw" or "ivf-pq", over `vectors` (L, d) float32, L2-normalised.

        Raises:
            VibesError: too few vectors to train the codes of IVF-PQ.
        """
        import faiss

        vectors = np.ascontiguousarray(vectors, np.float32)
        width = vectors.shape[1]
        index: Any
        if kind == "hnsw":
            index = faiss.IndexHNSWFlat(width, LINKS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = BUILD_EFFORT
        elif len(vectors) < CODES:
            raise VibesError(
                f"The index '{kind}' needs {CODES} listings, and there are {len(vectors)}; use exact."
            )
        else:
            lists = lists_of(len(vectors))
            parts = next(parts for parts in (width // 4, width // 2, width) if parts and width % parts == 0)
            index = faiss.index_factory(width, f"IVF{lists},PQ{parts}np", faiss.METRIC_INNER_PRODUCT)
            index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1  # fewer only warn
            rng = np.random.default_rng(0)
            index.train(
                vectors[rng.choice(len(vectors), min(len(vectors), 64 * max(lists, CODES)), replace=False)]
            )
        index.add(vectors)
        return cls(vectors, index, kind, EFFORT)

    @classmethod
    def read(cls, path: Path, vectors: np.ndarray, kind: str, effort: int) -> Self:
        """The index that `write` left at `path`.

        Raises:
            VibesError: it is damaged, or of other vectors.
        """
        import faiss

        try:
            return cls(vectors, faiss.read_index(str(path)), kind, effort)
        except RuntimeError as error:
            raise VibesError(f"The index {path} is damaged; build it again.") from error

    def write(self, path: Path) -> None:
        """Write the index (without float32 vectors of IVF-PQ) to `path`."""
        import faiss

        faiss.write_index(self._index, str(path))

    @property
    def efforts(self) -> list[int]:
        """Efforts worth trying, the least first."""
        most = 1024 if self.kind == "hnsw" else self._index.nlist
        return [effort for effort in (16, 32, 64, 128, 256, 512, 1024) if effort < most] + [most]

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `ExactIndex.search`; the scores are exact, and of the `k` best a measured share is found.

        The rows that are not allowed are struck from the nearest of all, so that the share is the measured one; where these
        hold too few others, as where all that is near a query is struck, that query is searched exactly.
        """
        import faiss

        usable = self.known if allowed is None else self.known & allowed
        queries = np.ascontiguousarray(queries, np.float32)
        share = float(usable.mean())
        if share < FEW:
            return nearest(self.vectors, queries, k, usable)
        wider = 1.0 if usable.all() else SLACK / share
        wanted, effort = (
            min(len(usable), math.ceil(k * OVER[self.kind] * wider)),
            math.ceil(self.effort * wider),
        )
        if self.kind == "hnsw":
            parameters = faiss.SearchParametersHNSW(efSearch=max(effort, wanted))  # type: ignore[attr-defined]
        else:
            parameters = faiss.SearchParametersIVF(nprobe=min(effort, self._index.nlist))  # type: ignore[call-arg]
        _, rows = self._index.search(queries, wanted, params=parameters)
        exact = np.stack(
            [self.vectors[np.maximum(mine, 0)] @ query for mine, query in zip(rows, queries, strict=True)]
        )
        there = (rows >= 0) & usable[rows]
        found, scores = best(np.where(there, exact, -np.inf).astype(np.float32), k, rows)
        short = np.flatnonzero(there.sum(axis=1) < min(k, int(usable.sum())))
        if len(short):
            found[short], scores[short] = nearest(self.vectors, queries[short], k, usable)
        return found, scores


def lists_of(listings: int) -> int:
    """Into how many lists IVF-PQ puts so many listings."""
    return max(1, int(4 * math.sqrt(listings)))
