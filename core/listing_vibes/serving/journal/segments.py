"""Writing a journal: whole lines, durable where asked, never two writers in one file."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from listing_vibes.market.durable import is_named, lock, sync, write_error

SUFFIX = ".jsonl"
#: A segment takes lines for so long, and no more bytes than this.
MOST_S, MOST_BYTES = 3600.0, 64 * 2**20


class Segments:
    """The segments that one process writes: `KIND-TIME-RANDOM.jsonl`, a new one where the last is full, old or gone.

    A line counts once its newline is there, so what a killed process left half written is told from what it finished.
    Nobody writes behind such a rest, since each process begins a file of its own. Hold no more than one thread in it.

    Args:
        most_bytes, most_s: of a segment.
    """

    def __init__(self, folder: Path, kind: str, most_bytes: int = MOST_BYTES, most_s: float = MOST_S) -> None:
        self.folder, self.kind, self.most_bytes, self.most_s = folder, kind, most_bytes, most_s
        self.path: Path | None = None
        self.size = 0
        self._opened, self._since = -1, 0.0

    def append(self, lines: Sequence[bytes], durable: bool) -> None:
        """Write lines (without their newline), all or none.

        Args:
            durable: the disk has them when this ends; else the system does, which outlives the process, not the power.

        Raises:
            VibesError: the disk is full, or the folder cannot be written.
        """
        if not lines:
            return
        content = b"\n".join(lines) + b"\n"
        try:
            self._ready(len(content))
            left = memoryview(content)
            while left:
                left = left[os.write(self._opened, left) :]
            if durable:
                os.fsync(self._opened)
        except OSError as error:
            self._take_back()
            raise write_error(self.path or self.folder, error) from error
        self.size += len(content)

    def sync(self) -> None:
        """Wait until the disk has all lines."""
        if self._opened >= 0:
            os.fsync(self._opened)

    def close(self) -> Path | None:
        """End the segment; returns its path, None where there is none."""
        path, opened = self.path, self._opened
        self.path, self.size, self._opened = None, 0, -1
        if opened >= 0:
            os.close(opened)
        return path

    @property
    def age(self) -> float:
        """Seconds since the segment was begun, by the clock of its name, from which readers tell as well."""
        return abs(time.time() - self._since) if self._opened >= 0 else 0.0

    def _ready(self, coming: int) -> None:
        if self.path is not None:
            full = self.size and self.size + coming > self.most_bytes
            if full or self.age > self.most_s or not is_named(self._opened, self.path):
                self.close()
        if self.path is None:
            moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
            path = self.folder / f"{self.kind}-{moment}-{secrets.token_hex(4)}{SUFFIX}"
            self._opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            self.path, self.size, self._since = path, 0, time.time()
            lock(self._opened)
            sync(self.folder)

    def _take_back(self) -> None:
        """Nothing may follow half a line: the file is cut where it was whole, and ended; one of no line is removed."""
        path, empty = self.path, not self.size
        if self._opened >= 0:
            with suppress(OSError):
                os.ftruncate(self._opened, self.size)
        with suppress(OSError):
            self.close()
        if path is not None and empty:
            with suppress(OSError):
                path.unlink()


@contextmanager
def alone(folder: Path, name: str = ".appending") -> Iterator[None]:
    """Keeps other processes that write journals into a folder waiting, until this one is done or dies.

    Raises:
        VibesError: the folder cannot be written.
    """
    try:
        opened = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        lock(opened, wait=True)
        yield
    finally:
        os.close(opened)
