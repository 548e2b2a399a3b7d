"""Vectors with one column more: what every listing's score gains, such as by being recent, within the inner product."""

from __future__ import annotations

import hashlib

import numpy as np

from listing_vibes.run.folder import RunFolder
from listing_vibes.search.index import ExactIndex


def gained_index(run: RunFolder, space: str, gain: np.ndarray) -> ExactIndex:
    """The exact index of a space and a gain (L,), to be asked by `asking`; where processes share indexes, of the latest gain
    that any of them wanted."""
    index = run.index(space)
    if run.shared is None:
        return ExactIndex(with_gain(index.vectors, gain))

    def fill(made: np.ndarray) -> np.ndarray:
        made[:, :-1], made[:, -1] = index.vectors, np.where(index.known, gain, np.float32(0))
        return index.known

    state = run.stamp, hashlib.blake2b(gain.tobytes(), digest_size=16).hexdigest()
    shape = len(index.vectors), index.vectors.shape[1] + 1
    return run.shared.index(f"{run.path.resolve()} {space} and a gain", state, shape, fill)


def with_gain(vectors: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """(L, d + 1) float32, whose inner products with `asking(queries)` are those of `vectors` (L, d) with the queries
    + `gain` (L,); a zero row stays one.

    The gain is the same for all users, so that every kind of index can search by it.
    """
    known = vectors.any(axis=1)
    return np.column_stack([vectors, np.where(known, gain, np.float32(0))])


def asking(queries: np.ndarray) -> np.ndarray:
    """(B, d + 1): the queries (B, d) of vectors that stand `with_gain`."""
    return np.column_stack([queries, np.ones(len(queries), np.float32)])
