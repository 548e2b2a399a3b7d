"""Spherical k-means: clusters of directions."""

import numpy as np

from listing_vibes.features.reduce import unit_rows


def spherical_kmeans(points: np.ndarray, groups: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the cluster (n,) of each of `points` (n, d; L2-normalized), and the centers (g, d), g <= `groups`; none is empty.

    k-means on unit vectors, whose squared distances order pairs as cosines do, with normalized centers (Dhillon & Modha 2001).
    """
    from sklearn.cluster import MiniBatchKMeans

    distinct = len(np.unique(points, axis=0))
    model = MiniBatchKMeans(min(groups, distinct), random_state=seed, n_init=3).fit(points)
    _, labels = np.unique(model.labels_, return_inverse=True)
    centers = np.stack([points[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    return labels, unit_rows(centers.astype(np.float32))
