"""Where new rows come from: files of a folder (fsspec), a query (SQLAlchemy), and the events that a service keeps.

A source never loses its place: `poll` gets the marks of what was taken in and returns all that differs. Rows may come twice, which changes
nothing, as rows are merged by their keys.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError, needs
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.database import (
    QUERY,
    column_names,
    connected,
    engine_of,
    queried,
    query_of,
    read_frames,
    select_all,
)
from listing_vibes.market.io import TABLE_SUFFIXES
from listing_vibes.market.storage import Place, is_address
from listing_vibes.serving.places import FILE, has_database, is_database, shown_place

Marks = dict[str, Any]  # JSON
#: A CSV without a newline at its end is being written until nobody has touched it for so long.
SETTLED_S = 10.0
#: What storages call that which changes with a file's content, or at least with its writing; and when it was written.
STAMPS = ("ETag", "etag", "md5Hash", "crc32c", "mtime", "LastModified", "last_modified", "updated", "created")
WRITTEN = ("LastModified", "last_modified", "updated", "mtime", "created")
#: Journals of services of an earlier version: not read, and not passed over in silence.
JSON_LINES = ".jsonl"
CURSOR = "cursor"
#: Newest rows of a query that are read again at the next poll: a transaction may become visible after a younger one.
OVERLAP = 5000


@dataclass(frozen=True)
class Frame:
    """Rows of one file or query.

    Attributes:
        name: what errors call it.
        rows: as they were read; every cell of a CSV is text.
        key, mark: what the source is to know of it once its rows were taken in.
        folder: where relative paths in it start; None in a database.
    """

    name: str
    rows: pd.DataFrame
    key: str = ""
    mark: Any = None
    folder: Path | None = None


@dataclass
class Poll:
    """What a poll found: `frames` to take in, oldest first, the `marks` of what is as it was, and what cannot be read."""

    frames: list[Frame] = field(default_factory=list)
    marks: Marks = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Source(Protocol):
    """Rows that become more."""

    @property
    def place(self) -> str:
        """What the marks belong to, as a user reads it."""

    def poll(self, marks: Marks) -> Poll:
        """Return all that differs from what `marks` say.

        Raises:
            VibesError: the source cannot be read.
        """


class FileSource:
    """Parquet and CSV files in a folder and the folders below it, here or on object storage.

    A file that changed is read again in full. Names that begin with `.` or `_`, or end otherwise than `.parquet`, `.csv` or `.csv.gz`, are
    passed over, so that a writer can write under such a name and rename. A folder here may have the database of
    `vibes serve --events`, whose new events are read. On a storage, photos have addresses, or paths of files that the market has.

    Args:
        folder: a path, or an address such as `s3://bucket/new`.
        option: what errors call it.

    Raises:
        VibesError: fsspec or the package of the protocol is not installed.
    """

    def __init__(self, folder: Path | str, option: str = "the folder of new tables") -> None:
        self._folder = Place.of(str(folder), option)
        self.place = self._folder.shown if self._folder.local is None else str(self._folder.local.resolve())

    def poll(self, marks: Marks) -> Poll:
        """See `Source`."""
        result, here = Poll(), self._folder.local
        for _, name, file, mark in sorted(self._files(), key=lambda item: item[:2]):
            if marks.get(name) == mark:
                result.marks[name] = mark
                continue
            try:
                if name.endswith(JSON_LINES):
                    raise VibesError(
                        f"{file.shown} holds JSON lines, which are not read; give Parquet or CSV."
                    )
                _refuse_unfinished(file)
                root = None if file.local is None else file.local.parent
                result.frames.append(Frame(file.shown, file.read_table(), name, mark, root))
            except VibesError as error:
                result.problems.append(str(error))
        if here is not None and has_database(here):
            result.frames += _posted_events(here, FILE, marks, result.marks)
        return result

    def _files(self) -> Iterator[tuple[str, str, Place, list[Any]]]:
        """When it was written, name, place and mark of each file that is not empty."""
        for path, entry in self._folder.find((*TABLE_SUFFIXES, JSON_LINES)).items():
            name = self._folder.inside(path)
            file, size = self._folder / name, int(entry.get("size") or 0)
            written, stamp = (
                next((str(entry[key]) for key in keys if entry.get(key)), "") for keys in (WRITTEN, STAMPS)
            )
            if file.local is not None:
                try:
                    status = file.local.stat()  # of the file that a link names, to the nanosecond
                except FileNotFoundError:  # it was moved away
                    continue
                size, stamp = status.st_size, str(status.st_mtime_ns)
                written = f"{status.st_mtime_ns:020d}"
            if size:
                yield written, name, file, [size, stamp]


def _refuse_unfinished(file: Place) -> None:
    """Raises:
    VibesError: the last line of a CSV here has no end, and it was written just now.
    """
    path = file.local
    if path is None or path.suffix != ".csv" or time.time() - path.stat().st_mtime > SETTLED_S:
        return
    with path.open("rb") as stream:
        stream.seek(-1, 2)
        if stream.read(1) != b"\n":
            raise VibesError(
                f"{path} is being written: its last line has no newline. It is read at the next poll, or {SETTLED_S:.0f} s after "
                "the last writing."
            )


class StoreSource:
    """The events that services posted to a database, see `listing_vibes.serving.database.Database`; each once, by its id."""

    def __init__(self, place: str) -> None:
        self._database, self.place = place, shown_place(place)

    def poll(self, marks: Marks) -> Poll:
        """See `Source`."""
        result = Poll()
        result.frames += _posted_events(self._database, "events", marks, result.marks)
        return result


def _posted_events(place: Path | str, key: str, marks: Marks, unchanged: Marks) -> list[Frame]:
    """The events after the mark `key`, as a table of events has them, without those of no user."""
    with needs("A database of events", "serve"):
        from listing_vibes.serving.database import Database
        from listing_vibes.serving.events import read_events

    database = Database(place, "--events")
    try:
        identity = database.identity
        after, available = marks.get(key) or [0, identity]
        events = read_events(database, after if available == identity else 0)
    finally:
        database.close()
    if not events:
        unchanged[key] = [after, identity]
        return []
    columns = [C.USER, C.LISTING, C.TIMESTAMP, C.POSITION, C.ACTION, C.DURATION]
    cells = [[getattr(event, name) for name in columns] for event in events if event.user_id is not None]
    rows = pd.DataFrame(cells, columns=columns, dtype=object).dropna(axis="columns", how="all")
    return [Frame(f"the events of {shown_place(place)}", rows, key, [events[-1].id, identity])]


class SqlSource:
    """The rows of a query on a database.

    Where the query gives a column `cursor` (a number, a text or a moment that new and changed rows have larger than all
    before, such as an id or `updated_at`), only rows from there on are read, and the newest `OVERLAP` of the last poll
    once more; otherwise all rows at every poll.

    Raises:
        VibesError: SQLAlchemy or the database's driver is not installed, or the address is none.
    """

    def __init__(self, address: str, query: str, name: str) -> None:
        self._query, self._what = query.strip().rstrip(";"), f"The query of --{name}"
        self.place = f"the tables of the query of --{name}"
        self._engine = engine_of(address, "--database")

    def poll(self, marks: Marks) -> Poll:
        """See `Source`."""
        key = hashlib.sha256(self._query.encode()).hexdigest()[:16]
        since, before = marks.get(key) or [None, ""]
        with connected(self._engine) as connection:
            rows = self._read(connection, _load_cursor(since))
        if CURSOR in rows:
            values = rows.pop(CURSOR).dropna()
            if len(values):
                _dump_cursor(values.iloc[-1])  # one that is none is an error at the first poll
            if len(values) > OVERLAP:  # before that, rows below the first one may still become visible
                since = _dump_cursor(values.iloc[len(values) - OVERLAP])
        digest = hashlib.sha256(pd.util.hash_pandas_object(rows.astype("str"), index=False).to_numpy())
        mark = [since, digest.hexdigest()]
        if mark == [since, before]:
            return Poll(marks={key: mark})
        return Poll([Frame(self._what[0].lower() + self._what[1:], rows, key, mark)])

    def _read(self, connection: Any, since: Any) -> pd.DataFrame:
        import sqlalchemy as sql

        statement = select_all(queried(self._query))
        if CURSOR in column_names(connection, statement, self._what):
            cursor: Any = sql.column(CURSOR)
            statement = statement.order_by(cursor)
            if since is not None:
                statement = statement.where(cursor >= since)
        return pd.concat(read_frames(connection, statement, self._what), ignore_index=True)


def _dump_cursor(value: Any) -> Any:
    """Return a cursor as JSON.

    Raises:
        VibesError: neither a whole number, a text, a day nor a moment.
    """
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer) or (isinstance(value, float | Decimal) and value % 1 == 0):
        return int(value)
    raise VibesError(
        f"The column '{CURSOR}' of the query holds {value!r}; select a whole number, a text or a moment."
    )


def _load_cursor(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return date.fromisoformat(value["day"]) if "day" in value else datetime.fromisoformat(value["moment"])


def source_of(name: str, given: str, database: str | None) -> Source:
    """Return the source of `--events`, `--listings` or `--photos`: a folder here or on a storage, a query, or a `.sql` file that holds one.

    Raises:
        VibesError: a query without a database, or neither a folder nor a query.
    """
    if name == "events" and is_database(given):
        return StoreSource(given)
    if is_address(given):
        return FileSource(given, f"--{name}")
    query = query_of(given, name)
    if QUERY.match(query):
        if database is None:
            raise VibesError(f"--{name} is a query; say with --database where to ask it.")
        return SqlSource(database, query, name)
    if not Path(given).is_dir():
        raise VibesError(
            f"--{name} '{given}' is neither a folder nor a query; give the folder that new tables are put into, or "
            "SELECT ... together with --database."
        )
    return FileSource(given, f"--{name}")
