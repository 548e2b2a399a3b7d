"""Indexes that the processes of a machine share: the first one writes the file, and all map it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from listing_vibes.market.durable import atomic_path, lock, write_error
from listing_vibes.search.index import ExactIndex

LOCK = ".making"


class Shared:
    """A folder of indexes for the lifetime of a service.

    Vectors are stored in half precision, and each process would otherwise convert them to float32 in its own memory. The pages of
    these files are shared, and the system may drop them when memory is short.

    Args:
        folder: an existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def index(
        self, of: str, state: object, shape: tuple[int, int], fill: Callable[[np.ndarray], np.ndarray]
    ) -> ExactIndex:
        """Return the index of the space `of` in this state; files of other states are removed, but stay mapped while in use.

        Args:
            state: identifies the state by its `repr`.
            fill: writes the vectors into a float32 array (L, d) of this shape, and returns (L,) bool: which rows are not zero.

        Raises:
            VibesError: the folder cannot be written.
        """
        name = f"{_digest(of)}-{_digest(repr(state))}"
        vectors, available = self.folder / f"{name}.npy", self.folder / f"{name}.known.npy"
        try:
            opened = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                lock(opened, wait=True)  # The lock also ends with the process.
                if not vectors.is_file():
                    self._make(vectors, available, shape, fill)
                    for old in self.folder.glob(f"{_digest(of)}-*.npy"):
                        if old not in (vectors, available):
                            old.unlink(missing_ok=True)
                # Copy-on-write, although nothing writes, since torch warns of read-only arrays.
                mapped = np.load(vectors, mmap_mode="c").view(np.ndarray)
                return ExactIndex(mapped, np.load(available))
            finally:
                os.close(opened)
        except OSError as error:
            raise write_error(self.folder, error) from error

    def _make(
        self, vectors: Path, available: Path, shape: tuple[int, int], fill: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        with atomic_path(vectors, durable=False) as temporary:
            created = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
            if hasattr(os, "posix_fallocate"):  # Otherwise a full disk would kill the process.
                with temporary.open("r+b") as stream:
                    os.posix_fallocate(stream.fileno(), 0, temporary.stat().st_size)
            rows = fill(created)
            created.flush()
            with atomic_path(available, durable=False) as mask_file, mask_file.open("wb") as stream:
                np.save(stream, rows)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
