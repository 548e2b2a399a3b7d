"""Where new rows come from: a folder that grows, or a SQL query; each knows from a small state where to go on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import scratch_folder
from listing_vibes.market.io import TABLE_SUFFIXES, read_table
from listing_vibes.serving.database import FILE, has_store, shown_place
from listing_vibes.serving.refresh.logged import SUFFIX, rows_of_log, rows_of_store, whole_lines

#: The last line of a CSV counts without a newline behind it once nobody has written to the file for so long.
SETTLED_S = 10.0
State = dict[str, Any]  # JSON


@dataclass(frozen=True)
class Frame:
    """Rows of one file or query.

    Attributes:
        name: what errors call it.
        rows: as they were read; every cell of a CSV is text.
        folder: where relative paths in it start; None in a database.
        mark: what the state keeps of it once its rows are taken in.
        arrived: when it was there to be read, seconds since 1970.
        again: a refresh took its rows in before the run was embedded anew: of listings only those that are not there count, since
            of the others the market's own tables say what was made of them since.
    """

    name: str
    rows: pd.DataFrame
    folder: Path | None
    mark: State
    arrived: float
    again: bool = False


@dataclass(frozen=True)
class News:
    """What a look at a source found.

    Attributes:
        frames: in the order in which they are to be taken in.
        state: where the next look goes on, before the marks of `frames`.
        problems: what could not be read, a sentence each; it is tried again at the next look.
    """

    frames: list[Frame] = field(default_factory=list)
    state: State = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Source(Protocol):
    """Rows that become more."""

    @property
    def place_name(self) -> str:
        """Where new rows are put, as a user is told."""

    def look(self, state: State) -> News:
        """What is new since `state` (at first empty); rows may come twice, none is left out.

        Raises:
            VibesError: the source cannot be asked.
        """


class FolderSource:
    """Parquet and CSV files in a folder and the folders below it, by the time they were written, and logs of events.

    A file that grew is read again whole; names that begin with `.` or `_`, or end otherwise than `.parquet`, `.csv`,
    `.csv.gz` or `.jsonl`, are passed over, so that a writer can write under such a name and rename. Of a CSV that is being
    written the last line is left for the next look until it is whole. Of JSON lines (`.jsonl`) only new ones are read, and one
    without its newline never. Of the database of `vibes serve --events` new events are read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.place_name = folder, str(folder)

    def look(self, state: State) -> News:
        """See `Source`."""
        if not self.folder.is_dir():
            raise VibesError(
                f"There is no folder {self.folder}; give the folder that new tables are put into."
            )
        place = str(self.folder.resolve())
        before, files = (state.get("files", {}) if state.get("folder") == place else {}), {}
        frames: list[Frame] = []
        problems: list[str] = []
        for path, status in self._files():
            name, size, written = path.relative_to(self.folder).as_posix(), status.st_size, status.st_mtime_ns
            known = before.get(name, [0, 0])
            # `vibes forget` puts a shorter log in the place of one: what was read of that says nothing of this.
            which = [status.st_ino] if path.suffix == SUFFIX else []
            mark = [size, written, *which]
            if known == mark:
                files[name] = mark
            elif path.suffix == SUFFIX:
                start = known[0] if known[2:] in ([], which) and known[0] <= size else 0
                lines = whole_lines(path, start)
                rows, bad = rows_of_log(path, lines)
                problems.extend(bad)
                mark = [start + len(lines), written, *which]
                if lines:
                    frames.append(Frame(str(path), rows, path.parent, {"files": {name: mark}}, written / 1e9))
                else:
                    files[name] = mark
            elif size:
                try:
                    rows, taken = _read(path, size, written)
                except VibesError as error:
                    problems.append(str(error))
                else:
                    frames.append(
                        Frame(
                            str(path), rows, path.parent, {"files": {name: [taken, written]}}, written / 1e9
                        )
                    )
        if has_store(self.folder):
            mark = before.get(FILE, [])
            frames.append(_store_frame(self.folder, mark, lambda mark: {"files": {FILE: mark}}))
            files[FILE] = mark
        return News(frames, {"folder": place, "files": files}, problems)

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """Every table, by the time it was written, oldest first."""
        found = []
        for path in self.folder.rglob("*"):
            inside = path.relative_to(self.folder).parts
            if path.name.endswith((*TABLE_SUFFIXES, SUFFIX)) and not any(part[0] in "._" for part in inside):
                try:
                    status = path.stat()
                except FileNotFoundError:  # moved away meanwhile
                    continue
                if path.is_file():
                    found.append((path, status))
        return sorted(found, key=lambda entry: (entry[1].st_mtime_ns, entry[0]))


class StoreSource:
    """The events that services posted to a database, see `listing_vibes.serving.store.Store`; each once, by its id."""

    def __init__(self, place: str) -> None:
        self.place, self.place_name = place, shown_place(place)

    def look(self, state: State) -> News:
        """See `Source`."""
        mark = state.get("store", [])
        return News([_store_frame(self.place, mark, lambda mark: {"store": mark})], {"store": mark})


def _store_frame(place: Path | str, known: list[Any], mark: Callable[[list[Any]], State]) -> Frame:
    rows, read, arrived = rows_of_store(place, known)
    return Frame(f"the events of {shown_place(place)}", rows, None, mark(read), arrived)


def advanced(state: State, marks: list[State]) -> State:
    """The state after frames with these marks were taken in."""
    files = dict(state.get("files", {}))
    rest: State = {}
    for mark in marks:
        files |= mark.get("files", {})
        rest |= {key: value for key, value in mark.items() if key != "files"}
    return {**state, **rest, **({"files": files} if files else {})}


def _read(path: Path, size: int, written: int) -> tuple[pd.DataFrame, int]:
    """The rows of a file and how many of its bytes they are."""
    if path.suffix != ".csv" or time.time() - written / 1e9 > SETTLED_S:
        return read_table(path), size
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole == size:
        return read_table(path), size
    if content[:whole].count(b"\n") < 2:  # no more than the header
        return pd.DataFrame(), whole
    with scratch_folder() as folder:
        part = folder / path.name
        part.write_bytes(content[:whole])
        try:
            return read_table(part), whole
        except VibesError as error:
            raise VibesError(str(error).replace(str(part), str(path))) from error
