"""Standard deviations over listings: the units of boosts, style directions, unwanted listings and diversity.

With them a rule means the same under every blend, whatever the weight of the model in it.
"""

import numpy as np

from listing_vibes.market.values import sample_rows

#: The most listings on which the deviation of an inner product is measured.
SAMPLE = 20_000


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
