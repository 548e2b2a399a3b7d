"""Approximate search by inner product for very many queries: FAISS retrieves candidates, and float32 vectors rank them.

The vector of a listing may lie in several arrays side by side, such as one per space, which are not copied. The index has 40 bytes
per listing: lists of k-means (IVF), and the residuals in 4 bits per two axes, which are scanned in registers (André, Kermarrec and Le
Scouarnec 2015, "Cache locality is not enough"). It compares by L2, so listings get one more axis that makes their lengths equal, which
turns the largest inner products into the nearest neighbors (Bachrach et al. 2014, "Speeding up the Xbox recommender system").

The recall compared with exact search is measured on a sample of the queries, see `choose_index`.
"""

import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.search.index import EXACT_TO, best, search_exactly

_log = logging.getLogger(__name__)

#: Axes of the index; the principal ones of all arrays side by side.
AXES = 128
#: Listings of which the index learns, per list; listings that are added at a time.
PER_LIST, PIECE = 40, 65_536
#: Below this share of allowed rows, exact search among them is as fast.
FEW = 0.1
#: Lists that are probed and candidates that are ranked, in the order of trials.
TRIES = ((16, 300), (32, 300), (64, 300), (64, 600))
#: The least recall@30 of an index, and the number of queries that measure it.
RECALL, QUERIES = 0.99, 256


class CandidateIndex:
    """An index over listings, whose vectors are the rows of all `parts` side by side.

    Args:
        parts: arrays (L, d_i) float32.
        queries: (Q, d) float32 with d the sum of all d_i: a sample of the queries.
    """

    def __init__(self, parts: Sequence[np.ndarray], queries: np.ndarray, seed: int = 0) -> None:
        import faiss

        self.parts, count = list(parts), len(parts[0])
        self.probes, self.candidates = TRIES[0]
        bounds = np.cumsum([0, *(part.shape[1] for part in parts)])
        self._columns = [slice(*pair) for pair in pairwise(bounds)]
        lists = int(min(4096, 4 * count**0.5))
        rows = np.random.default_rng(seed).choice(count, min(count, PER_LIST * lists), replace=False)
        rows.sort()
        # Errors of a part's codes count by the size of its queries, so that both sides get the same spread.
        self._scale = np.concatenate(
            [
                np.full(part.shape[1], (_spread(queries[:, columns]) / _spread(part[rows])) ** 0.5)
                for part, columns in zip(parts, self._columns, strict=True)
            ]
        ).astype(np.float32)
        self._longest = max(float(np.square(block).sum(axis=1).max()) for block in self._blocks())
        width = bounds[-1] + 1
        axes = min(AXES, width // 2 * 2)
        factory = f"PCAR{axes},IVF{lists},PQ{axes // 2}x4fsr"
        self._index: Any = faiss.index_factory(int(width), factory, faiss.METRIC_L2)
        # FAISS would print a warning where a list has fewer listings to learn from than it recommends.
        faiss.extract_index_ivf(self._index).cp.min_points_per_centroid = 1
        self._index.train(self._lengthened(np.hstack([part[rows] for part in parts]) * self._scale))
        for block in self._blocks():
            self._index.add(self._lengthened(block))

    def _blocks(self) -> Iterator[np.ndarray]:
        """Yield the scaled vectors (n, d) of all listings in pieces."""
        for low in range(0, len(self.parts[0]), PIECE):
            yield np.hstack([part[low : low + PIECE] for part in self.parts]) * self._scale

    def _lengthened(self, block: np.ndarray) -> np.ndarray:
        """Return vectors (n, d + 1) float32 of the same length."""
        rest = np.sqrt(np.maximum(self._longest - np.square(block).sum(axis=1), 0))
        return np.column_stack([block, rest]).astype(np.float32)

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Search as `ExactIndex.search` does, with exact scores but approximate recall of the `k` best."""
        queries = np.ascontiguousarray(queries, np.float32)
        share = 1.0 if allowed is None else float(allowed.mean())
        if share < FEW or 4 * k > len(self.parts[0]) * share:
            return search_exactly(self.parts, queries, k, allowed)
        rows = self._retrieve(queries, max(self.candidates, 4 * k), None if share == 1 else allowed, share)
        scores = np.full(rows.shape, -np.inf, np.float32)
        for query, row, score in zip(queries, rows, scores, strict=True):
            valid = row >= 0
            picked = row[valid]
            score[valid] = sum(
                part[picked] @ query[columns] for part, columns in zip(self.parts, self._columns, strict=True)
            )
        rows, scores = best(scores, k, rows)
        short = np.flatnonzero(rows[:, -1] < 0)
        if len(short):
            rows[short], scores[short] = search_exactly(self.parts, queries[short], k, allowed)
        return rows, scores

    def _retrieve(
        self, queries: np.ndarray, count: int, allowed: np.ndarray | None, share: float
    ) -> np.ndarray:
        """Return candidates (B, count) among the allowed listings, -1 if there are fewer."""
        from faiss import IDSelectorBitmap, SearchParametersIVF, SearchParametersPreTransform

        bits = None if allowed is None else np.packbits(allowed, bitorder="little")
        # FAISS replaces these constructors, which its types do not know.
        only = None if bits is None else IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
        inner = SearchParametersIVF(nprobe=int(np.ceil(self.probes / share)), sel=only)  # type: ignore[call-arg]
        scaled = np.column_stack([queries / self._scale, np.zeros(len(queries), np.float32)])
        settings = SearchParametersPreTransform(index_params=inner)  # type: ignore[call-arg]
        rows: np.ndarray = self._index.search(scaled.astype(np.float32), count, params=settings)[1]
        return rows


def _spread(vectors: np.ndarray) -> float:
    """Return the root of the summed variances of vectors (n, d) and, where all are equal, 1."""
    variance = float(vectors.var(axis=0, dtype=np.float64).sum())
    return variance**0.5 if variance > 1e-12 else 1.0


def choose_index(
    parts: Sequence[np.ndarray], queries: np.ndarray, at_least: float = RECALL
) -> CandidateIndex | None:
    """Return the fastest index with a measured recall@30 of `at_least`; None if there is none, or exact search is as fast.

    Args:
        parts: see `CandidateIndex`.
        queries: (Q, d) a sample of the queries.
    """
    if len(parts[0]) <= EXACT_TO:
        return None
    index = CandidateIndex(parts, queries)
    truth, _ = search_exactly(parts, queries, K)
    for index.probes, index.candidates in TRIES:
        share = recall(truth, index.search(queries, K)[0])
        _log.info("%d lists, %d candidates: recall@%d %.4f", index.probes, index.candidates, K, share)
        if share >= at_least:
            return index
    _log.warning("no index reaches a recall of %s; the search is exact", at_least)
    return None


def recall(truth: np.ndarray, neighbors: np.ndarray) -> float:
    """Return the mean share of the rows `truth` (Q, k), of which -1 are none, that are among `neighbors` (Q, k)."""
    hits = sum(int(np.isin(t[t >= 0], f).sum()) for t, f in zip(truth, neighbors, strict=True))
    return hits / max(1, int((truth >= 0).sum()))
