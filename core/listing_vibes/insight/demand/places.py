"""The regions of a space in which demand is tested: the branches of a tree over its listings.

Every branch of a size that can be significant is a region, small ones inside larger ones, as the tree-based scan statistic
has them (Kulldorff, Fang and Walsh 2003, "A tree-based scan statistic for database disease surveillance"); the tree is
Ward's (1963).
"""

from __future__ import annotations

import numpy as np

from listing_vibes.insight.kmeans import spherical_kmeans

SMALLEST, SHARE = 20, 0.02  # listings of a region: at least so many, and at least this part of all
LARGEST = 1 / 3  # beyond, a region is most of a market
SINGLE = 3000  # listings up to which the tree begins at single ones
GROUPS, SAMPLE = 500, 10_000  # of more it begins at so many clusters, which a sample is enough to find


def candidate_places(vectors: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """Return the rows of each region among L2-normalized `vectors` (n, d); none where there are too few listings for one."""
    count = len(vectors)
    low, high = max(SMALLEST, SHARE * count), LARGEST * count
    if high < low:
        return []
    from scipy.cluster.hierarchy import linkage  # pages that test no region need not wait for it

    parts = [np.array([row]) for row in range(count)]
    if count > SINGLE:
        sample = np.sort(np.random.default_rng(seed).choice(count, min(SAMPLE, count), replace=False))
        _, centers = spherical_kmeans(vectors[sample], GROUPS, seed)
        nearest = np.concatenate(
            [(block @ centers.T).argmax(axis=1) for block in np.array_split(vectors, 1 + count // SAMPLE)]
        )
        parts = [rows for number in range(len(centers)) if len(rows := np.flatnonzero(nearest == number))]
    results = [part for part in parts if low <= len(part) <= high]
    for item, other in linkage(np.stack([vectors[part].mean(axis=0) for part in parts]), "ward")[
        :, :2
    ].astype(int):
        parts.append(np.concatenate([parts[item], parts[other]]))
        if low <= len(parts[-1]) <= high:
            results.append(np.sort(parts[-1]))
    return results
