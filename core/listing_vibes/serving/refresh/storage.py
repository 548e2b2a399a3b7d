"""New rows from a folder on object storage, whose files come by their address."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import scratch_folder
from listing_vibes.market.io import TABLE_SUFFIXES, read_table
from listing_vibes.market.storage import Place, asked
from listing_vibes.serving.refresh.sources import Frame, News, State

#: What storages call that which changes with a file's content, or at least with its writing.
STAMPS = ("ETag", "etag", "md5Hash", "crc32c", "mtime", "LastModified", "last_modified", "updated", "created")
WRITTEN = ("LastModified", "last_modified", "updated", "mtime", "created")


class StorageSource:
    """Parquet and CSV files below an address, by the time they were written; see `sources.FolderSource`.

    A file whose size and stamp (`STAMPS`) are those of the last look is not read again. Objects appear whole on a storage, so
    every line counts. Photos of these tables have addresses, or paths of files that the market has.

    Raises:
        VibesError: fsspec or the package of the protocol is not installed.
    """

    def __init__(self, address: str, told: str) -> None:
        self.place = Place.of(address, told)
        self.place_name = self.place.shown

    def look(self, state: State) -> News:
        """See `Source`."""
        before = state.get("files", {}) if state.get("folder") == self.place.shown else {}
        files: dict[str, Any] = {}
        frames, problems = [], []
        for written, name, path, size, stamp in self._files():
            mark = [size, stamp]
            if before.get(name) == mark:
                files[name] = mark
                continue
            file = self.place / name
            try:
                with scratch_folder() as folder:
                    local = folder / Path(name).name
                    with asked(file):
                        self.place.files.get_file(path, str(local))
                    rows = read_table(local)
            except VibesError as error:
                problems.append(str(error).replace(str(local), file.shown))
            else:
                frames.append(Frame(file.shown, rows, None, {"files": {name: mark}}, written))
        return News(frames, {"folder": self.place.shown, "files": files}, problems)

    def _files(self) -> list[tuple[float, str, str, int, str]]:
        """Seconds since 1970, name below the address, path, size and stamp of every table, oldest first."""
        place = self.place
        with asked(place):
            place.files.invalidate_cache()  # a look asks anew
            found = place.files.find(place.path, detail=True)
            if not found and not place.files.exists(place.path):
                raise FileNotFoundError
        tables = []
        for path, entry in found.items():
            name = place.inside(str(path))
            size = int(entry.get("size") or 0)
            hidden = any(part[:1] in ("_", ".") for part in name.split("/"))
            if size and name.endswith(TABLE_SUFFIXES) and not hidden:
                stamp = next((str(entry[key]) for key in STAMPS if entry.get(key)), "")
                tables.append((_written(entry), name, str(path), size, stamp))
        return sorted(tables)


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
