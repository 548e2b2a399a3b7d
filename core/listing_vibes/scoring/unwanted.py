"""Lower scores of listings similar to unwanted ones, by the rule `not` or by unwanted events of a history."""

import numpy as np

#: The penalty in standard deviations of a query's scores, per standard deviation of similarity to unwanted listings. No available log
#: has unwanted events to learn from, so it was chosen by its cost in recall, see `assets/docs/research.md`.
NOT = 0.3
#: Cosines in memory at a time, since a user may have hidden very many listings.
HELD = 16_000_000


def likeness(vectors: np.ndarray, rows: np.ndarray, candidates: np.ndarray | None = None) -> np.ndarray:
    """Return (C,) float32: the greatest cosine of each candidate to one of `rows`, in standard deviations over all listings.

    Args:
        vectors: (L, d) all listings.
        rows: (n,) the unwanted listings.
        candidates: (C, d); None for all listings.
    """
    like = _nearest(vectors[rows], vectors)
    spread = float(np.std(like, where=vectors.any(axis=1), dtype=np.float64))
    if candidates is not None:
        like = _nearest(vectors[rows], candidates)
    return np.asarray(like / spread if spread else like, np.float32)


def unwanted_penalty(
    scores: np.ndarray, vectors: np.ndarray, rows: np.ndarray, candidates: np.ndarray | None = None
) -> np.ndarray:
    """Return the penalties (C,) float32 of candidates by their similarity to the listings `rows`, for one query.

    Args:
        scores: (L,) the query's scores of all listings, whose standard deviation is the unit.
        candidates: see `likeness`.
    """
    available = np.isfinite(scores) & vectors.any(axis=1)
    spread = np.std(scores, where=available, dtype=np.float64) if available.any() else 0.0
    return (NOT * spread * likeness(vectors, rows, candidates)).astype(np.float32)


def _nearest(subset: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return (C,) float32: the greatest cosine of each of `candidates` (C, d) to one of `subset` (n, d)."""
    step, parts = max(1, HELD // max(len(candidates), 1)), []
    for low in range(0, len(subset), step):
        parts.append((subset[low : low + step] @ candidates.T).max(axis=0))
    return np.asarray(np.max(parts, axis=0))
