"""Vectors of length 1."""

import numpy as np

LEAST = 1e-9  # lower bound of a length in a division


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Return the rows of `vectors` (N, d) scaled to length 1; a zero row stays zero.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    units: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), LEAST)
    return units
