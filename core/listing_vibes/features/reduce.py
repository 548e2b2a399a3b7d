"""Reduce frozen vectors to the model's width, so that its first layer can start as the identity."""

from collections.abc import Mapping

import numpy as np

from listing_vibes.errors import VibesError

#: Rows of a fit; more rows change the directions little and need more memory.
FIT_ROWS = 50_000
#: Rows that a transform converts to float32 at a time.
CHUNK_ROWS = 16_384


class Reducer:
    """Principal components (Pearson 1901), optionally whitened, as one affine map that is fitted once.

    Output rows always have `width` columns (zeros where fewer components exist) and a mean norm of 1 over the
    fitted rows. Whitening equalizes the variances of the components; before, each variance is shrunk by `shrinkage` toward
    the mean variance, so that directions of noise are not amplified (after Ledoit & Wolf 2004).

    Attributes:
        mean: (w,) float32.
        matrix: (w, width) float32, components and scale.
        explained: (width,) float32, share of the variance in each component before whitening.
    """

    def __init__(self, mean: np.ndarray, matrix: np.ndarray, explained: np.ndarray) -> None:
        self.mean, self.matrix, self.explained = mean, matrix, explained

    @property
    def width(self) -> int:
        """Columns of the output."""
        return self.matrix.shape[1]

    @classmethod
    def fit(
        cls, vectors: np.ndarray, width: int, whiten: bool = False, *, shrinkage: float = 0.1, seed: int = 0
    ) -> "Reducer":
        """Fit on valid rows only (leave out photos that are not ok).

        Args:
            vectors: (N, w), any float type; beyond `FIT_ROWS` a sample drawn with `seed` is used.
            width: columns of the output; min(width, w, N - 1) of them can be non-zero.
            whiten: give every component the same variance, up to `shrinkage` in 0..1.

        Raises:
            VibesError: no rows, a NaN or infinity, or a width below 1.
        """
        from sklearn.decomposition import PCA

        if vectors.ndim != 2 or len(vectors) == 0 or width < 1:
            raise VibesError(
                f"Cannot reduce vectors of shape {vectors.shape} to width {width}; embed the photos or texts first."
            )
        if len(vectors) > FIT_ROWS:
            rows = np.random.default_rng(seed).choice(len(vectors), FIT_ROWS, replace=False)
            vectors = vectors[np.sort(rows)]
        sample = vectors.astype(np.float64)  # (N, w)
        if not np.isfinite(sample).all():
            raise VibesError("Cannot reduce vectors that hold NaN or infinity; embed those rows again.")
        count, w = sample.shape
        stored = min(width, w, count - 1)
        matrix, explained = np.zeros((w, width)), np.zeros(width)
        if stored > 0 and np.ptp(sample, axis=0).max() > 0:
            # Both solvers are exact with deterministic signs; the covariance is cheaper for many rows.
            solver = "covariance_eigh" if count > w else "full"
            pca = PCA(n_components=stored, svd_solver=solver).fit(sample)
            variance = pca.explained_variance_  # (kept,)
            real = variance > 1e-9 * variance[0]
            shrunk = (1 - shrinkage) * variance + shrinkage * variance.mean()
            gain = real / np.sqrt(np.where(real, shrunk, 1)) if whiten else real  # (kept,)
            matrix[:, :stored] = (pca.components_ * gain[:, None]).T
            explained[:stored] = pca.explained_variance_ratio_ * real
        mean = sample.mean(axis=0)
        norm = np.linalg.norm((sample - mean) @ matrix, axis=1).mean()
        matrix /= norm if norm > 0 else 1
        return cls(mean.astype(np.float32), matrix.astype(np.float32), explained.astype(np.float32))

    def transform(self, vectors: np.ndarray, ok: np.ndarray | None = None) -> np.ndarray:
        """Reduce (N, w) to (N, width) float32; rows that are not `ok` (N,) become zero.

        Raises:
            VibesError: the vectors have another width than the fitted ones.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise VibesError(
                f"Vectors of shape {vectors.shape} do not fit a reducer of width {len(self.mean)}; give vectors of the same encoder."
            )
        out = np.empty((len(vectors), self.width), dtype=np.float32)
        for first in range(0, len(vectors), CHUNK_ROWS):
            rows = slice(first, first + CHUNK_ROWS)
            out[rows] = (vectors[rows].astype(np.float32) - self.mean) @ self.matrix
        if ok is not None:
            out[~ok] = 0
        return out

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return float32 arrays by name, for safetensors."""
        return {"mean": self.mean, "matrix": self.matrix, "explained": self.explained}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Reducer":
        """Return the reducer of `to_arrays`.

        Raises:
            VibesError: an array is missing or of the wrong shape.
        """
        try:
            names = ("mean", "matrix", "explained")
            mean, matrix, explained = (np.asarray(arrays[name], np.float32) for name in names)
        except KeyError as error:
            raise VibesError(f"The stored reducer lacks the array {error}; train the run again.") from error
        if matrix.ndim != 2 or mean.shape != matrix.shape[:1] or explained.shape != matrix.shape[1:]:
            raise VibesError(f"The stored reducer's shape {matrix.shape} is damaged; train the run again.")
        return cls(mean, matrix, explained)
