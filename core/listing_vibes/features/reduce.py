"""Reduce frozen vectors to the model's width, so that its first layer can start as the identity; scale vectors to length 1, and
cluster directions.
"""

from collections.abc import Mapping

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.values import sample_rows

SMALLEST_LENGTH = 1e-9  # lower bound of a length in a division
#: Rows of a fit; more rows change the directions little and need more memory.
FIT_ROWS = 50_000
#: Rows that a transform converts to float32 at a time.
CHUNK_ROWS = 16_384
#: Share by which whitening shrinks each variance toward the mean variance.
SHRINKAGE = 0.1


class Reducer:
    """Principal components (Pearson 1901), optionally whitened, as one affine map that is fitted once.

    Output rows always have `width` columns (zeros where fewer components exist) and a mean norm of 1 over the
    fitted rows. Whitening equalizes the variances of the components; before, each variance is shrunk by `SHRINKAGE` toward
    the mean variance, so that directions of noise are not amplified (after Ledoit & Wolf 2004).

    Attributes:
        mean: (w,) float32.
        matrix: (w, width) float32, components and scale.
    """

    def __init__(self, mean: np.ndarray, matrix: np.ndarray) -> None:
        self.mean, self.matrix = mean, matrix

    @classmethod
    def fit(cls, vectors: np.ndarray, width: int, whiten: bool = False) -> "Reducer":
        """Fit on valid rows only (leave out photos that are not ok).

        Args:
            vectors: (N, w), any float type; beyond `FIT_ROWS` a sample is used.
            width: columns of the output; min(width, w, N - 1) of them can be non-zero.
            whiten: give every component the same variance, up to `SHRINKAGE`.

        Raises:
            VibesError: there is a NaN or infinity.
        """
        from sklearn.decomposition import PCA

        sample = vectors[sample_rows(len(vectors), FIT_ROWS)].astype(np.float64)  # (N, w)
        if not np.isfinite(sample).all():
            raise VibesError("Cannot reduce vectors that hold NaN or infinity; embed those rows again.")
        count, w = sample.shape
        stored = min(width, w, count - 1)
        matrix = np.zeros((w, width))
        if stored > 0 and np.ptp(sample, axis=0).max() > 0:
            # Both solvers are exact with deterministic signs; the covariance is cheaper for many rows.
            solver = "covariance_eigh" if count > w else "full"
            pca = PCA(n_components=stored, svd_solver=solver).fit(sample)
            variance = pca.explained_variance_  # (stored,)
            real = variance > 1e-9 * variance[0]
            shrunk = (1 - SHRINKAGE) * variance + SHRINKAGE * variance.mean()
            gain = real / np.sqrt(np.where(real, shrunk, 1)) if whiten else real  # (stored,)
            matrix[:, :stored] = (pca.components_ * gain[:, None]).T
        mean = sample.mean(axis=0)
        norm = np.linalg.norm((sample - mean) @ matrix, axis=1).mean()
        matrix /= norm if norm > 0 else 1
        return cls(mean.astype(np.float32), matrix.astype(np.float32))

    def transform(self, vectors: np.ndarray) -> np.ndarray:
        """Reduce (N, w) to (N, width) float32."""
        out = np.empty((len(vectors), self.matrix.shape[1]), np.float32)
        for first in range(0, len(vectors), CHUNK_ROWS):
            rows = slice(first, first + CHUNK_ROWS)
            out[rows] = (vectors[rows].astype(np.float32) - self.mean) @ self.matrix
        return out

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return float32 arrays by name, for safetensors."""
        return {"mean": self.mean, "matrix": self.matrix}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Reducer":
        """Return the reducer of `to_arrays`."""
        return cls(arrays["mean"], arrays["matrix"])


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Return the rows of `vectors` (N, d) scaled to length 1; a zero row stays zero.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), SMALLEST_LENGTH))


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
