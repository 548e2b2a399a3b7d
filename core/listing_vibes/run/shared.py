"""Indexes that the processes of a machine share: the first one writes the file, and all map it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock

from listing_vibes.market.durable import atomic_path, write_error
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
        self, of: str, state: object, shape: tuple[int, int], fill: Callable[[np.ndarray], object]
    ) -> ExactIndex:
        """Return the index of the space `of` in this state; files of other states are removed, but stay mapped while in use.

        Args:
            state: identifies the state by its `repr`.
            fill: writes the vectors into a float32 array (L, d) of this shape.

        Raises:
            VibesError: the folder cannot be written.
        """
        path = self.folder / f"{_digest(of)}-{_digest(repr(state))}.npy"
        try:
            with FileLock(self.folder / LOCK, mode=0o600):  # It also ends with the process.
                if not path.is_file():
                    with atomic_path(path, durable=False) as temporary:
                        vectors = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
                        if hasattr(os, "posix_fallocate"):  # Otherwise a full disk would kill the process.
                            with temporary.open("r+b") as stream:
                                os.posix_fallocate(stream.fileno(), 0, temporary.stat().st_size)
                        fill(vectors)
                        vectors.flush()
                    for old in set(self.folder.glob(f"{_digest(of)}-*.npy")) - {path}:
                        old.unlink(missing_ok=True)
                # Copy-on-write, although nothing writes, since torch warns of read-only arrays.
                return ExactIndex(np.load(path, mmap_mode="c").view(np.ndarray))
        except OSError as error:
            raise write_error(self.folder, error) from error


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
