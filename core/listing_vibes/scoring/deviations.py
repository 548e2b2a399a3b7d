"""Standard deviations over listings: the units of boosts, style directions, unwanted listings and diversity.

With them a rule means the same under every blend, whatever the weight of the model in it. Listings similar to unwanted ones, by the
rule `not` or by unwanted events of a history, lose some of them.
"""

from __future__ import annotations

import numpy as np

from listing_vibes.market.values import sample_rows

#: The most listings on which the deviation of an inner product is measured.
SAMPLE = 20_000
#: The penalty in standard deviations of a query's scores, per standard deviation of similarity to unwanted listings. No available log
#: has unwanted events to learn from, so it was chosen by its cost in recall, see `assets/docs/research.md`.
UNLIKE_WEIGHT = 0.3
#: Cosines in memory at a time, since a user may have hidden very many listings.
MOST_COSINES = 16_000_000


def deviations(scores: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return (B, 1) float64: the standard deviation of the finite scores (B, L) of each query over the listings `known` (L,)."""
    return np.asarray(
        np.std(scores, axis=1, where=np.isfinite(scores) & known, keepdims=True, dtype=np.float64)
    )


def product_deviations(
    queries: np.ndarray, parts: tuple[np.ndarray, ...] | list[np.ndarray], known: np.ndarray
) -> np.ndarray:
    """Return (B, 1) float64: the standard deviation of the inner products of queries (B, d) with listings, on a sample of these.

    Args:
        parts: arrays (L, d_i), the vectors of listings side by side.
        known: (L,) bool, the listings that count.
    """
    rows = sample_rows(np.flatnonzero(known), SAMPLE)
    products = queries @ np.hstack([part[rows] for part in parts]).T  # (B, n)
    return np.asarray(products.std(axis=1, keepdims=True, dtype=np.float64))


def cosine_deviation(vectors: np.ndarray, known: np.ndarray) -> float:
    """Return the standard deviation of the cosines between the listings `known` (L,) of a space (L, d), 1 if they are all equal.

    It is that of a sample, with E[(x . y)^2] = |E[x x']|^2 and E[x . y] = |E[x]|^2 for independent x and y.
    """
    chosen = vectors[sample_rows(np.flatnonzero(known), SAMPLE)].astype(np.float64)
    if not len(chosen):
        return 1.0
    mean = chosen.mean(axis=0)
    variance = np.square(chosen.T @ chosen / len(chosen)).sum() - (mean @ mean) ** 2
    return float(np.sqrt(variance)) if variance > 1e-12 else 1.0


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
    return (UNLIKE_WEIGHT * spread * likeness(vectors, rows, candidates)).astype(np.float32)


def _nearest(subset: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return (C,) float32: the greatest cosine of each of `candidates` (C, d) to one of `subset` (n, d)."""
    step, parts = max(1, MOST_COSINES // max(len(candidates), 1)), []
    for low in range(0, len(subset), step):
        parts.append((subset[low : low + step] @ candidates.T).max(axis=0))
    return np.asarray(np.max(parts, axis=0))
