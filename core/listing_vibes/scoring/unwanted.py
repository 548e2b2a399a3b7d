"""What a user does not want takes from the score of what is like it: a request's `not`, and what a history calls unwanted."""

from __future__ import annotations

import numpy as np

#: Standard deviations of a query's scores that a listing loses for each one of its likeness to what is not wanted. No log at
#: hand has negatives to learn from, so it was chosen by its price, see `assets/docs/research/2026-11-30-figures.md`.
NOT = 0.3
#: Cosines that are held at once: a user may have hidden very many.
HELD = 16_000_000


def likeness(vectors: np.ndarray, rows: np.ndarray, candidates: np.ndarray | None = None) -> np.ndarray:
    """(C,) float32: the greatest cosine of each of `candidates` (C, d), None: of all listings (L, d), to one of `rows`, in
    standard deviations over all that have a vector."""
    like = _nearest(vectors[rows], vectors)
    spread = float(np.std(like, where=vectors.any(axis=1), dtype=np.float64))
    if candidates is not None:
        like = _nearest(vectors[rows], candidates)
    result: np.ndarray = (like / spread if spread else like).astype(np.float32)
    return result


def taken(
    scores: np.ndarray, vectors: np.ndarray, rows: np.ndarray, candidates: np.ndarray | None = None
) -> np.ndarray:
    """(C,) float32: what candidates lose that are like the listings `rows`, for one query.

    Args:
        scores: (L,) the query's scores of all listings, whose spread is the unit.
        candidates: see `likeness`.
    """
    available = np.isfinite(scores) & vectors.any(axis=1)
    spread = np.std(scores, where=available, dtype=np.float64) if available.any() else 0.0
    return (NOT * spread * likeness(vectors, rows, candidates)).astype(np.float32)


def _nearest(subset: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """(C,) float32: the greatest cosine of each of `candidates` (C, d) to one of `subset` (n, d)."""
    step, parts = max(1, HELD // max(len(candidates), 1)), []
    for low in range(0, len(subset), step):
        parts.append((subset[low : low + step] @ candidates.T).max(axis=0))
    return np.max(parts, axis=0)
