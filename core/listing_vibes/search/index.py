"""Exact nearest neighbors by cosine over the listings that have a vector in a space, and files of arrays that processes share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock

from listing_vibes.cores import cores
from listing_vibes.market.durable import atomic_path, write_error

#: Numbers of exact scores in memory at a time.
HELD = 16_000_000
#: Up to so many listings batches are searched exactly: an index is faster from fewer on, but saves less than a minute or two there;
#: see assets/docs/research.md.
EXACT_TO = 50_000
#: Numbers of a long row whose largest one is computed first.
BLOCK = 512
#: Vectors that are normalized at a time, and those that a core gets at a time.
PIECE, SHARE = 512, 64 * 512


def search_exactly(
    parts: Sequence[np.ndarray], queries: np.ndarray, k: int, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the listings with the largest inner product with each of `queries` (B, d) float32, best first.

    Args:
        parts: arrays (L, d_i) float32, with d the sum of all d_i: the vectors of listings are their rows side by side.
        allowed: (L,) bool, which listings may be returned; None for all.

    Returns:
        rows (B, k) int64, -1 where there are fewer, and scores (B, k) float32, -inf where there are fewer.
    """
    subset = None if allowed is None or allowed.all() else np.flatnonzero(allowed)
    bounds = np.cumsum([part.shape[1] for part in parts])[:-1]
    tables = [part if subset is None else part[subset] for part in parts]
    rows, scores = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32)
    step = max(1, HELD // max(1, len(tables[0])))
    for low in range(0, len(queries), step):
        batch = np.split(queries[low : low + step], bounds, axis=1)
        products = sum(each @ table.T for each, table in zip(batch, tables, strict=True))
        rows[low : low + step], scores[low : low + step] = best(np.asarray(products), k, subset)
    return rows, scores


def best(scores: np.ndarray, k: int, name: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of the `k` largest `scores` (B, n) in each row, best first, and of equal ones the first.

    Args:
        name: (n,) or (B, n) the names of columns; None for their numbers.

    Returns:
        names (B, k) int64, -1 where there are fewer, and scores (B, k) float32, -inf where there are fewer.
    """
    count = min(k, scores.shape[1])
    rows = np.full((len(scores), k), -1, np.int64)
    result = np.full((len(scores), k), -np.inf, np.float32)
    if not count or not len(scores):
        return rows, result
    column = np.stack([_first_of(row, count) for row in scores])
    value = np.take_along_axis(scores, column, axis=1)
    order = np.argsort(-value, axis=1, kind="stable")
    column, value = np.take_along_axis(column, order, axis=1), np.take_along_axis(value, order, axis=1)
    if name is not None:
        column = name[column] if name.ndim == 1 else np.take_along_axis(name, column, 1)
    rows[:, :count], result[:, :count] = np.where(np.isneginf(value), -1, column), value
    return rows, result


def _first_of(row: np.ndarray, count: int) -> np.ndarray:
    """Return the positions (count,), ascending, of the `count` largest numbers of `row` (n,), and of equal ones the first."""
    subset = np.arange(len(row))
    if len(row) > BLOCK * count:
        # As many numbers as blocks are at least as large as the largest ones of their blocks, so few numbers have to be sorted.
        largest = row[: len(row) // BLOCK * BLOCK].reshape(-1, BLOCK).max(axis=1)
        subset = np.flatnonzero(row >= np.partition(largest, -count)[-count])
        row = row[subset]
    edge = np.partition(row, -count)[-count]
    above, equal = np.flatnonzero(row > edge), np.flatnonzero(row == edge)
    return subset[np.sort(np.append(above, equal[: count - len(above)]))]


def normalize(stored: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Normalize `stored` (L, d) of any float type into `vectors` (L, d) float32, and return (L,) bool: which are not zero.

    This is done on all cores, and in chunks, so that temporary arrays stay in a core's cache; allocating new memory would take more
    time than the arithmetic.

    Raises:
        ValueError: a vector contains NaN or infinity.
    """
    length = np.zeros(len(stored), np.float32)

    def work(first: int) -> None:
        for begin in range(first, min(first + SHARE, len(stored)), PIECE):
            subset = vectors[begin : begin + PIECE]
            subset[:] = stored[begin : begin + PIECE]
            norm = np.linalg.norm(subset, axis=1, keepdims=True)  # (n, 1)
            length[begin : begin + PIECE] = norm[:, 0]
            subset /= np.where(norm > 0, norm, 1)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(work, range(0, len(stored), SHARE)))
    if not np.isfinite(length).all():
        raise ValueError("a vector contains NaN or infinity")
    return length > 0


class ExactIndex:
    """Exact search by inner product over L2-normalized vectors (L, d); zero rows (listings without a vector) are never returned.

    Args:
        known: (L,) bool, which rows are not zero; None to compute it.
    """

    def __init__(self, vectors: np.ndarray, available: np.ndarray | None = None) -> None:
        self.vectors, self._known = np.ascontiguousarray(vectors, np.float32), available

    @classmethod
    def of_stored(cls, stored: np.ndarray) -> ExactIndex:
        """Return the index of vectors (L, d) of any float type after normalizing them.

        Raises:
            ValueError: a vector contains NaN or infinity.
        """
        vectors = np.empty(stored.shape, np.float32)
        return cls(vectors, normalize(stored, vectors))

    @cached_property
    def known(self) -> np.ndarray:
        """Return (L,) bool: which listings have a vector."""
        return np.any(self.vectors != 0, axis=1) if self._known is None else self._known

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the best listings of each query, best first.

        Args:
            queries: (B, d) float32, L2-normalized.
            allowed: (L,) bool, which listings may be returned; None for all.

        Returns:
            rows (B, k) int64, -1 where there are fewer, and scores (B, k) float32, cosine in [-1, 1] (-inf where
            there are fewer).
        """
        return search_exactly(
            [self.vectors], queries, k, self.known if allowed is None else self.known & allowed
        )


LOCK = ".making"


class Shared:
    """A folder of arrays for the lifetime of a service or of a batch.

    Vectors are stored in half precision and events compressed, and each process would otherwise expand them in its own memory. The
    pages of these files are shared, are read where they are used, and the system may drop them when memory is short.

    Args:
        folder: an existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def array(
        self,
        of: str,
        state: object,
        shape: tuple[int, ...],
        kind: type,
        fill: Callable[[np.ndarray], object],
    ) -> np.ndarray:
        """Return the array `of` in this state; files of other states are removed, but stay mapped while in use.

        Args:
            state: identifies the state by its `repr`.
            fill: writes the values into an array of this shape and type.

        Raises:
            VibesError: the folder cannot be written.
        """
        path = self.folder / f"{_digest(of)}-{_digest(repr(state))}.npy"
        try:
            with FileLock(self.folder / LOCK, mode=0o600):  # It also ends with the process.
                if not path.is_file():
                    with atomic_path(path, durable=False) as temporary:
                        array = np.lib.format.open_memmap(temporary, "w+", kind, shape)
                        if hasattr(os, "posix_fallocate"):  # Otherwise a full disk would kill the process.
                            with temporary.open("r+b") as stream:
                                os.posix_fallocate(stream.fileno(), 0, temporary.stat().st_size)
                        fill(array)
                        array.flush()
                    for old in set(self.folder.glob(f"{_digest(of)}-*.npy")) - {path}:
                        old.unlink(missing_ok=True)
                # Copy-on-write, although nothing writes, since torch warns of read-only arrays.
                mapped: np.ndarray = np.load(path, mmap_mode="c").view(np.ndarray)
                return mapped
        except OSError as error:
            raise write_error(self.folder, error) from error


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
