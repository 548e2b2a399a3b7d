"""Reading a journal while others write it: whole lines, each once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from listing_vibes.serving.journal.segments import MOST_S, SUFFIX

#: A folder that changed no longer ago than this may change again without another time.
TICK_S = 0.05


@dataclass
class _Place:
    inode: int
    read: int = 0  # bytes


class Following:
    """What processes appended to the journals of one kind in a folder, since the last time one looked.

    A look costs one `stat` of the folder and one of each segment that may still grow: those begun in the last two hours.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind
        self._places: dict[str, _Place] = {}
        self._growing: list[str] = []
        self._seen = -1  # the folder's time, in nanoseconds

    def news(self) -> Iterator[bytes | None]:
        """Whole lines with their newlines, those of one segment at a time; None: what was given so far does not hold any
        more (lines were removed), and all of it comes again."""
        changed, sizes = self.folder.stat().st_mtime_ns, self._sizes()
        # A writer took back what it could not finish: known at once, since what was read of it was never appended.
        taken_back = any(size < self._places[name].read for name, size in sizes.items())
        if taken_back or changed != self._seen:
            if self._list() or taken_back:
                self._places.clear()
                self._growing.clear()
                self._list()
                yield None
            settled = time.time() - changed / 1e9 > TICK_S
            self._seen = changed if settled else -1
            sizes = self._sizes()
        for name, size in sizes.items():
            place, path = self._places[name], self.folder / name
            if size > place.read:
                try:
                    found = whole_lines(path, place.read)
                except FileNotFoundError:
                    continue
                place.read += len(found)
                if found:
                    yield found
        since = time.time() - 2 * MOST_S
        self._growing = [name for name in self._growing if _begun(name) > since]

    def _sizes(self) -> dict[str, int]:
        """Bytes of each segment that may still grow, 0 of one that is gone."""
        sizes = {}
        for name in self._growing:
            try:
                sizes[name] = (self.folder / name).stat().st_size
            except FileNotFoundError:
                sizes[name] = 0
        return sizes

    def _list(self) -> bool:
        """Look which segments there are; whether one is another file than before."""
        other = False
        for entry in sorted(os.scandir(self.folder), key=lambda one: one.name):
            if entry.name.startswith(f"{self.kind}-") and entry.name.endswith(SUFFIX):
                place = self._places.get(entry.name)
                if place is None:
                    self._places[entry.name] = _Place(entry.inode())
                    self._growing.append(entry.name)
                elif place.inode != entry.inode():
                    other = True
        return other


def whole_lines(path: Path, start: int = 0) -> bytes:
    """The lines of a file from a byte on that end with a newline; what a writer has not finished is left."""
    with path.open("rb") as stream:
        stream.seek(start)
        content = stream.read()
    return content[: content.rfind(b"\n") + 1]


def _begun(name: str) -> float:
    """When a segment was begun, by its name; infinity where that does not say."""
    try:
        told = datetime.strptime(name.rsplit("-", 2)[1], "%Y%m%dT%H%M%S")
    except (ValueError, IndexError):
        return float("inf")
    return told.replace(tzinfo=UTC).timestamp()
