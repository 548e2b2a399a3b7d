"""Candidate regions of a space for the test of demand: the branches of a tree over its listings.

Every branch of a size that can be significant is a region, with small regions inside larger ones, as in the tree-based scan
statistic (Kulldorff, Fang and Walsh 2003, "A tree-based scan statistic for database disease surveillance"); the tree is
Ward's (1963).
"""

from __future__ import annotations

import numpy as np

from listing_vibes.insight.kmeans import spherical_kmeans

SMALLEST, SHARE = 20, 0.02  # minimum size of a region: number of listings, and share of all listings
LARGEST = 1 / 3  # maximum share of a region
SINGLE = 3000  # number of listings up to which the leaves of the tree are single listings
GROUPS, SAMPLE = 500, 10_000  # with more listings, the leaves are so many clusters of a sample


def candidate_places(vectors: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """Return the rows of each region among L2-normalized `vectors` (n, d); none if there are too few listings."""
    count = len(vectors)
    low, high = max(SMALLEST, SHARE * count), LARGEST * count
    if high < low:
        return []
    from scipy.cluster.hierarchy import linkage  # a slow import, deferred for pages that need no test

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
