"""The places of a space at which demand is looked for: the branches of a tree over its listings.

Every branch of a size that can tell something is a place, small ones inside larger ones, as the tree-based scan statistic
looks at them (Kulldorff, Fang and Walsh 2003, "A tree-based scan statistic for database disease surveillance"); the tree is
Ward's (1963).
"""

from __future__ import annotations

import numpy as np

from listing_vibes.insight.personas import spherical_kmeans

SMALLEST, SHARE = 20, 0.02  # listings of a place: at least so many, and at least this part of all
LARGEST = 1 / 3  # beyond, a place is most of a market
WHOLE = 3000  # listings up to which the tree begins at single ones
GROUPS, SAMPLE = (
    500,
    10_000,
)  # of more it begins at so many groups, which this many listings are enough to find


def candidate_places(vectors: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """Row numbers of each place among L2-normalised `vectors` (n, d); none where there are too few for one."""
    count = len(vectors)
    low, high = max(SMALLEST, SHARE * count), LARGEST * count
    if high < low:
        return []
    from scipy.cluster.hierarchy import linkage  # pages that name no place need not wait for it

    parts = [np.array([row]) for row in range(count)] if count <= WHOLE else _groups(vectors, seed)
    centres = np.stack([vectors[part].mean(axis=0) for part in parts])
    found = [part for part in parts if low <= len(part) <= high]
    for one, other in linkage(centres, "ward")[:, :2].astype(int):
        joined = np.concatenate([parts[one], parts[other]])
        parts.append(joined)
        if low <= len(joined) <= high:
            found.append(np.sort(joined))
    return found


def _groups(vectors: np.ndarray, seed: int) -> list[np.ndarray]:
    import faiss

    rng = np.random.default_rng(seed)
    some = np.sort(rng.choice(len(vectors), min(SAMPLE, len(vectors)), replace=False))
    _, centres = spherical_kmeans(vectors[some], GROUPS, seed)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(centres, np.float32))
    nearest = index.search(np.ascontiguousarray(vectors, np.float32), 1)[1][:, 0]
    return [rows for number in range(len(centres)) if len(rows := np.flatnonzero(nearest == number))]
