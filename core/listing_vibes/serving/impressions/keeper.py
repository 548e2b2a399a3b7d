"""Keeping what is shown: journaled before it is answered, made Parquet beside the service."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from listing_vibes.errors import VibesError, sentence_of
from listing_vibes.market.durable import lock, sweep_left, write_error
from listing_vibes.market.user_names import UserNames
from listing_vibes.serving.impressions.answer import Shown
from listing_vibes.serving.impressions.tables import KIND, write
from listing_vibes.serving.journal.following import whole_lines
from listing_vibes.serving.journal.segments import SUFFIX, Segments, alone

#: A journal becomes a table when it has so many bytes, or is so old.
MOST_BYTES, MOST_S = 16 * 2**20, 600.0
#: Seconds between two looks after that; each also sees to it that the disk has what was shown until then.
EVERY_S = 1.0
#: Of those who turn journals into tables, and of `vibes forget`.
TURNING = ".turning"


class Impressions:
    """Keeps answers in a folder that several services may share.

    An answer is in the journal before anybody gets it. The process may be killed then: the system has the line, and the disk
    within a second. A thread of its own turns journals into tables, also those of services that died. Nothing but the
    journal's place is in memory.

    Args:
        folder: made where it is not there.
        hashed: whether users are kept as keyed hashes, see `listing_vibes.market.user_names.UserNames`; the key is that of the
            environment, else a random one in the folder.

    Raises:
        VibesError: the folder cannot be made or written, or the key is too short.
    """

    def __init__(
        self, folder: Path, hashed: bool = False, most_bytes: int = MOST_BYTES, most_s: float = MOST_S
    ) -> None:
        self.folder, self.most_bytes, self.most_s = folder, most_bytes, most_s
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error
        with alone(folder):
            sweep_left(folder)
        self.names = UserNames(folder, hashed)
        self.names.of("nobody")  # says now where the key is of no use
        self._segments = Segments(folder, KIND, most_bytes=2**62, most_s=float("inf"))
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._synced = 0
        self._thread: threading.Thread | None = None

    def keep(self, answers: Sequence[Shown]) -> None:
        """Journal some answers; the system has them when this ends.

        Raises:
            VibesError: the disk is full, or the folder cannot be written; then none is kept.
        """
        lines = [
            one._replace(user=None if one.user is None else self.names.of(one.user)).line() for one in answers
        ]
        with self._lock, alone(self.folder):
            self._segments.append(lines, durable=False)

    def start(self) -> None:
        """Begin to turn journals into tables."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._look_after, name="impressions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Turn what there is into a table, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._turn(0, 0.0)

    def _look_after(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._sync()
            self._turn(self.most_bytes, self.most_s)

    def _sync(self) -> None:
        """The disk gets what was journaled, while others go on writing."""
        with self._lock:
            path, size = self._segments.path, self._segments.size
        if path is None or size == self._synced:
            return
        with suppress(OSError):
            opened = os.open(path, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
        self._synced = size

    def _turn(self, most_bytes: int, most_s: float) -> None:
        with self._lock:
            if self._segments.size >= most_bytes or self._segments.age >= most_s:
                self._segments.close()
        for path in sorted(self.folder.glob(f"{KIND}-*{SUFFIX}")):
            try:
                self._turn_one(path)
            except (VibesError, OSError, pa.ArrowException) as error:  # the journal stays, and is tried again
                logging.getLogger("uvicorn.error").error(sentence_of(error))

    def _turn_one(self, path: Path) -> None:
        """Where nobody writes a journal any more: it is told by the lock that its writer holds."""
        with suppress(FileNotFoundError), alone(self.folder, TURNING):
            opened = os.open(path, os.O_RDONLY)
            try:
                with alone(self.folder):  # a journal is begun and locked within that
                    ended = lock(opened)
                if ended:
                    if whole_lines(path):  # else of a writer that had no room for a line
                        write(path)
                    path.unlink()
            finally:
                os.close(opened)
