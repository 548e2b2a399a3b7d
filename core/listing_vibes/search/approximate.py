"""Approximate search for batches of queries: an int8 sketch retrieves candidates, and float32 vectors rank them.

The vectors are centered (which shifts all scores of a query equally), projected to their first principal axes, rotated at random
(so that one scale fits every axis) and rounded to int8. Products of int8 matrices are about five times as fast as those of float32
on a processor with VNNI. Only the best row of each group of rows is sorted; all rows of the best groups are then ranked by
their float32 vectors. The recall compared with exact search is measured, see `choose_index`.

It exists in addition to FAISS because it is faster: with 128 axes on one thread it answers 1.8 times as many queries as FAISS Flat at
105,000 listings and 4.8 times as many at 1,000,000 (recall@30 above 0.998); FAISS's IVF and HNSW are slower than Flat at that recall.
"""

from __future__ import annotations

import logging

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.search.index import EXACT_TO, ExactIndex, best, nearest

_log = logging.getLogger(__name__)

GROUP = 16  # rows per group
TILE = 4096  # rows whose scores are in memory at a time, for
CHUNK = 128  # queries: 2 MiB of int32, which stay in the processor's cache
SAMPLE = 20_000  # rows from which the axes and the scale are computed
#: Below this share of allowed rows, exact search among them is faster, and groups would hide them.
FEW = 0.1
#: Sketches in the order of trials: quarters of the axes, and groups of rows that are ranked by float32.
TRIES = ((2, 64), (2, 96), (3, 64), (4, 64))
#: The number of queries that measure a sketch, if none are given.
QUERIES = 256


class SketchIndex(ExactIndex):
    """An index for batches; needs torch.

    Args:
        vectors: (L, d) float32, L2-normalized; zero rows are never returned.
        axes: the number of axes of the sketch, at most d.
        groups: the number of groups of rows that are ranked by float32, at least 2 k.
    """

    def __init__(self, vectors: np.ndarray, axes: int, groups: int = 64, seed: int = 0) -> None:
        super().__init__(vectors)
        import torch

        self.axes, self.groups = min(axes, self.vectors.shape[1]), groups
        rng = np.random.default_rng(seed)
        rows = np.flatnonzero(self.known)
        sample = self.vectors[rng.choice(rows, min(SAMPLE, len(rows)), replace=False)]
        mean = sample.mean(axis=0)
        _, axis = np.linalg.eigh((sample - mean).T @ (sample - mean))
        turn, _ = np.linalg.qr(rng.normal(size=(self.axes, self.axes)))
        self._turn = (axis[:, ::-1][:, : self.axes] @ turn).astype(np.float32)  # (d, axes)
        shift = mean @ self._turn  # (axes,)
        scale = 127 / np.quantile(np.abs(sample @ self._turn - shift), 0.9999)
        self._tiles = []
        for start in range(0, len(self.vectors), TILE):
            part = np.zeros((TILE, self.axes), np.int8)
            codes = (self.vectors[start : start + TILE] @ self._turn - shift) * scale
            part[: len(codes)] = np.clip(np.rint(codes), -127, 127)
            # Row g * GROUP + m is column m * (TILE / GROUP) + g, so that a group's best row is a maximum over blocks.
            mixed = part.reshape(TILE // GROUP, GROUP, -1).transpose(1, 0, 2).reshape(TILE, -1)
            self._tiles.append(torch.from_numpy(np.ascontiguousarray(mixed)).t())  # (axes, TILE)

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Search as `ExactIndex.search` does, with exact scores but approximate recall of the `k` best."""
        usable = self.known if allowed is None else self.known & allowed
        if len(queries) < 2 or usable.mean() < FEW or 2 * k * GROUP > len(usable):
            return nearest(self.vectors, queries, k, usable)
        queries = np.ascontiguousarray(queries, np.float32)
        barred = None if usable.all() else self._barred(usable)
        parts = [
            self._chunk(queries[start : start + CHUNK], k, usable, barred)
            for start in range(0, len(queries), CHUNK)
        ]
        return np.concatenate([rows for rows, _ in parts]), np.concatenate([scores for _, scores in parts])

    def _barred(self, usable: np.ndarray) -> np.ndarray:
        """Return (tiles, GROUP, TILE / GROUP) bool: rows that are not allowed, in the order of the tiles' columns."""
        padded = np.zeros(len(self._tiles) * TILE, bool)
        padded[: len(usable)] = usable
        return ~padded.reshape(len(self._tiles), TILE // GROUP, GROUP).transpose(0, 2, 1)

    def _chunk(
        self, queries: np.ndarray, k: int, usable: np.ndarray, barred: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        import torch

        turned = queries @ self._turn  # (B, axes)
        largest = np.maximum(np.abs(turned).max(axis=1, keepdims=True), 1e-12)
        small = torch.from_numpy(np.rint(turned * (127 / largest)).astype(np.int8))
        per_tile = TILE // GROUP
        top = torch.empty(len(queries), len(self._tiles) * per_tile, dtype=torch.int32)  # (B, all groups)
        for number, tile in enumerate(self._tiles):
            scores = torch._int_mm(small, tile).view(len(queries), GROUP, per_tile)
            if barred is not None:
                scores.masked_fill_(torch.from_numpy(barred[number]), torch.iinfo(torch.int32).min)
            torch.amax(scores, 1, out=top[:, number * per_tile : (number + 1) * per_tile])
        groups = torch.topk(top, max(self.groups, 2 * k), sorted=False).indices.numpy()
        # (B, groups x GROUP); the last group may be padded
        rows = (groups[:, :, None] * GROUP + np.arange(GROUP)).reshape(len(queries), -1)
        existing = np.minimum(rows, len(usable) - 1)
        keep = (rows == existing) & usable[existing]
        exact = np.stack([self.vectors[mine] @ query for mine, query in zip(existing, queries, strict=True)])
        return best(np.where(keep, exact, -np.inf), k, existing)


def choose_index(
    vectors: np.ndarray, queries: np.ndarray | None = None, at_least: float = 0.998, seed: int = 0
) -> ExactIndex:
    """Return the fastest index over `vectors` (L, d) float32 with a measured recall@30 of `at_least`.

    Args:
        queries: (Q, d) such as users' vectors; None for a sample of the vectors.
    """
    exact = ExactIndex(vectors)
    if len(vectors) <= EXACT_TO:
        return exact
    if queries is None:
        available = np.flatnonzero(exact.known)
        rows = np.random.default_rng(seed).choice(available, min(QUERIES, len(available)), replace=False)
        queries = exact.vectors[rows]
    truth, _ = nearest(exact.vectors, queries, K, exact.known)
    width = vectors.shape[1]
    for quarters, groups in TRIES:
        try:
            index = SketchIndex(vectors, min(width, -(-width * quarters // 4 // 32) * 32), groups, seed)
        except ImportError:
            _log.warning("torch is not installed, so batches are searched exactly")
            return exact
        share = recall(truth, index.search(queries, K)[0])
        _log.info("int8, %d axes, %d groups: recall@%d %.4f", index.axes, groups, K, share)
        if share >= at_least:
            return index
    _log.warning("no sketch reaches a recall of %s; the search is exact", at_least)
    return exact


def recall(truth: np.ndarray, neighbors: np.ndarray) -> float:
    """Return the mean share of the rows `truth` (Q, k), of which -1 are none, that are among `neighbors` (Q, k)."""
    hits = sum(int(np.isin(t[t >= 0], f).sum()) for t, f in zip(truth, neighbors, strict=True))
    return hits / max(1, int((truth >= 0).sum()))
