"""New rows from the tables of a folder, here or on object storage, through fsspec."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import scratch_folder
from listing_vibes.market.io import TABLE_SUFFIXES, read_table
from listing_vibes.market.storage import Place
from listing_vibes.serving.database import FILE, has_store
from listing_vibes.serving.refresh.logged import SUFFIX, rows_of_log, whole_lines
from listing_vibes.serving.refresh.sources import Frame, News, State, store_frame

#: The last line of a CSV counts without a newline behind it once nobody has written to the file for so long.
SETTLED_S = 10.0
#: What storages call that which changes with a file's content, or at least with its writing.
STAMPS = ("ETag", "etag", "md5Hash", "crc32c", "mtime", "LastModified", "last_modified", "updated", "created")
WRITTEN = ("LastModified", "last_modified", "updated", "mtime", "created")


@dataclass(frozen=True)
class _File:
    """A file that may have new rows.

    Attributes:
        name: from the folder on.
        stamp: changes with the content; of a file of JSON lines with the file alone, which is read on where it grew.
        written: seconds since 1970.
    """

    name: str
    place: Place
    size: int
    stamp: str
    written: float


class FileSource:
    """Parquet and CSV files in a folder and the folders below it, oldest first, and files of JSON lines.

    A file that changed is read again in full; names that begin with `.` or `_`, or end otherwise than `.parquet`, `.csv`,
    `.csv.gz` or `.jsonl`, are passed over, so that a writer can write under such a name and rename. Objects appear complete on
    a storage. On this machine the last line of a CSV that is being written is left for the next look until it is finished; of
    JSON lines only new ones are read, and one without its newline never; and of the database of `vibes serve --events` new
    events are read. On a storage, photos have addresses, or paths of files that the market has.

    Args:
        folder: a path, or an address such as `s3://bucket/new`.
        option: what errors call it.

    Raises:
        VibesError: fsspec or the package of the protocol is not installed.
    """

    def __init__(self, folder: Path | str, option: str = "the folder of new tables") -> None:
        self.place = Place.of(str(folder), option)
        self.place_name = self.place.shown

    def look(self, state: State) -> News:
        """See `Source`."""
        here = self.place.local
        folder = self.place.shown if here is None else str(here.resolve())
        before = state.get("files", {}) if state.get("folder") == folder else {}
        files: dict[str, Any] = {}
        frames: list[Frame] = []
        problems: list[str] = []
        for file in self._files():
            known = before.get(file.name)
            if known == [file.size, file.stamp]:
                files[file.name] = known
                continue
            try:
                rows, size, bad = _read(file, known)
            except VibesError as error:
                problems.append(str(error))
                continue
            problems += bad
            if known == [size, file.stamp]:  # no line more is finished
                files[file.name] = known
                continue
            root = None if file.place.local is None else file.place.local.parent
            mark = {"files": {file.name: [size, file.stamp]}}
            frames.append(Frame(file.place.shown, rows, root, mark, file.written))
        if here is not None and has_store(here):
            files[FILE] = before.get(FILE, [])
            frames.append(store_frame(here, files[FILE], lambda mark: {"files": {FILE: mark}}))
        return News(frames, {"folder": folder, "files": files}, problems)

    def _files(self) -> list[_File]:
        """Every file with a row, by the time it was written, oldest first."""
        found = []
        for path, entry in self.place.find((*TABLE_SUFFIXES, SUFFIX)).items():
            place = self.place / self.place.inside(path)
            size, written = int(entry.get("size") or 0), _written(entry)
            stamp = next((str(entry[key]) for key in STAMPS if entry.get(key)), "")
            if place.local is not None:
                try:
                    status = place.local.stat()  # of the file that a link names, to the nanosecond
                except FileNotFoundError:  # it was moved away
                    continue
                size, written = status.st_size, status.st_mtime_ns / 1e9
                # `vibes forget` puts a shorter file in the place of one: what was read of that says nothing of this.
                stamp = str(status.st_ino if place.path.endswith(SUFFIX) else status.st_mtime_ns)
            elif place.path.endswith(SUFFIX):
                continue
            if size:
                found.append(_File(self.place.inside(path), place, size, stamp, written))
        return sorted(found, key=lambda file: (file.written, file.name))


def _read(file: _File, known: list[Any] | None) -> tuple[pd.DataFrame, int, list[str]]:
    """The new rows of a file, how many of its bytes were read, and a sentence on those that are none."""
    path = file.place.local
    if path is None:
        return file.place.read_table(), file.size, []
    if path.suffix == SUFFIX:
        start = known[0] if known and known[1] == file.stamp and known[0] <= file.size else 0
        lines = whole_lines(path, start)
        rows, problems = rows_of_log(path, lines)
        return rows, start + len(lines), problems
    return *_finished_rows(path, file), []


def _finished_rows(path: Path, file: _File) -> tuple[pd.DataFrame, int]:
    """The rows of a file without the last line of a CSV that is being written, and how many of its bytes they are."""
    if path.suffix != ".csv" or time.time() - file.written > SETTLED_S:
        return read_table(path), file.size
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end == file.size:
        return read_table(path), file.size
    if content[:end].count(b"\n") < 2:  # no more than the header
        return pd.DataFrame(), end
    with scratch_folder() as folder:
        part = folder / path.name
        part.write_bytes(content[:end])
        try:
            return read_table(part), end
        except VibesError as error:
            raise VibesError(str(error).replace(str(part), str(path))) from error


def _written(entry: dict[str, Any]) -> float:
    """When a file was written, seconds since 1970; now, where a storage does not say."""
    for key in WRITTEN:
        value = entry.get(key)
        if isinstance(value, int | float):
            return float(value)
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
            if isinstance(moment, datetime):
                return moment.timestamp()
        except ValueError:
            continue
    return time.time()
