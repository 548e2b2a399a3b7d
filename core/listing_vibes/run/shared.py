"""Indexes that the processes of one machine share: the first that asks makes the file, and all map it."""

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
    """A folder of indexes, for as long as a service runs; nothing in it outlives that.

    Vectors are stored in half precision, so that each process would bring them to float32 in memory of its own. Here their
    pages are the system's, once for all, and may be dropped when memory is short.

    Args:
        folder: one that is there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def index(
        self, of: str, state: object, shape: tuple[int, int], fill: Callable[[np.ndarray], np.ndarray]
    ) -> ExactIndex:
        """The index `of` something, in this state of it; those of other states are removed, but stay mapped where they are in use.

        Args:
            state: what tells one state from the next, by its `repr`.
            fill: writes the vectors into an array (L, d) of this shape, float32, and says which rows are known, (L,) bool.

        Raises:
            VibesError: the folder cannot be written.
        """
        name = f"{_digest(of)}-{_digest(repr(state))}"
        vectors, available = self.folder / f"{name}.npy", self.folder / f"{name}.known.npy"
        try:
            opened = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                lock(opened, wait=True)  # ends with the process, too
                if not vectors.is_file():
                    self._make(vectors, available, shape, fill)
                    for old in self.folder.glob(f"{_digest(of)}-*.npy"):
                        if old not in (vectors, available):
                            old.unlink(missing_ok=True)
                # Copy on write, which nobody does: torch warns of arrays that are only to be read.
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
            if hasattr(os, "posix_fallocate"):  # a page that the disk has no room for would end the process
                with temporary.open("r+b") as stream:
                    os.posix_fallocate(stream.fileno(), 0, temporary.stat().st_size)
            rows = fill(created)
            created.flush()
            with atomic_path(available, durable=False) as beside, beside.open("wb") as stream:
                np.save(stream, rows)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
