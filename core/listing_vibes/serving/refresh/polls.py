"""Sources of new rows: files of a folder (fsspec), a query (SQLAlchemy), and the events posted to a service.

A source is resumable: `poll` gets the marks of the rows that were merged and returns everything that differs, or raises a `VibesError`
if it cannot be read. Rows may come twice, which changes nothing, since they are merged by their keys. The marks belong to its `place`.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.errors import VibesError, needs
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.database import (
    QUERY,
    connected,
    engine_of,
    query_of,
    read_frames,
    statement_of,
)
from listing_vibes.market.io import TABLE_SUFFIXES
from listing_vibes.market.storage import StoragePath, is_address
from listing_vibes.serving.places import FILE, is_database, shown_place

Marks = dict[str, Any]  # JSON
#: Seconds without a modification after which a CSV file without a final newline counts as complete.
SETTLED_S = 10.0
#: Names that storages use for the digest of a file, and for its modification time.
DIGEST = ("ETag", "etag", "md5Hash")
WRITTEN = ("LastModified", "last_modified", "updated", "mtime", "created")
#: Files in which 0.1.0 stored posted events and impressions.
JOURNALS = "*-*.jsonl"


@dataclass(frozen=True)
class Frame:
    """Rows of one file or query.

    Attributes:
        name: its name in messages.
        rows: the rows as read; every cell of a CSV is text.
        key, mark: stored in the marks of the source after its rows were merged.
        folder: base of relative paths in it; None for a database.
    """

    name: str
    rows: pd.DataFrame
    key: str = ""
    mark: Any = None
    folder: Path | None = None


@dataclass
class Poll:
    """The result of a poll: new `frames`, oldest first, the `marks` of unchanged ones, and problems."""

    frames: list[Frame] = field(default_factory=list)
    marks: Marks = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class FileSource:
    """Parquet and CSV files in a folder and its subfolders, on disk or on object storage.

    A changed file is read again in full. Names that begin with `.` or `_`, or that do not end in `.parquet`, `.csv` or `.csv.gz`, are
    ignored, so that a writer can use such a name and rename the file. A local folder may have the database of
    `vibes serve --events`, whose new events are read. On object storage, photos have URLs, or paths of files in the market.

    Raises:
        VibesError: fsspec or the package of the protocol is not installed.
    """

    def __init__(self, folder: Path | str, option: str = "the folder of new tables") -> None:
        self._folder = StoragePath.of(str(folder), option)
        self.place = self._folder.shown if self._folder.local is None else str(self._folder.local.resolve())

    def poll(self, marks: Marks) -> Poll:
        """Return the files that differ from `marks`, oldest first."""
        result, here = Poll(), self._folder.local
        for _, name, file, mark in sorted(self._files(), key=lambda item: item[:2]):
            if marks.get(name) == mark:
                result.marks[name] = mark
                continue
            try:
                _refuse_unfinished(file)
                root = None if file.local is None else file.local.parent
                result.frames.append(Frame(file.shown, file.read_table(), name, mark, root))
            except VibesError as error:
                result.problems.append(str(error))
        if here is not None and (journal := next(here.glob(JOURNALS), None)):
            result.problems.append(
                f"{journal} is a journal of 0.1.0, which is not read; write its events as a CSV file, and remove it."
            )
        if here is not None and (here / FILE).is_file():
            posted = StoreSource(here, FILE).poll(marks)
            result.frames, result.marks = result.frames + posted.frames, result.marks | posted.marks
        return result

    def _files(self) -> Iterator[tuple[str, str, StoragePath, list[Any]]]:
        """Yield modification time, name, place and mark of each file that is not empty."""
        for path, entry in self._folder.find(TABLE_SUFFIXES).items():
            name = self._folder.inside(path)
            file, size = self._folder / name, int(entry.get("size") or 0)
            written, digest = (
                next((str(entry[key]) for key in keys if entry.get(key)), "") for keys in (WRITTEN, DIGEST)
            )
            if file.local is not None:
                try:  # fsspec has the time of a link, not of its target
                    status = file.local.stat()
                except FileNotFoundError:  # it was moved
                    continue
                size, digest = status.st_size, str(status.st_mtime_ns)
                written = f"{status.st_mtime_ns:020d}"
            if size:
                yield written, name, file, [size, digest or written]


def _refuse_unfinished(file: StoragePath) -> None:
    """Refuse a CSV file that is still being written."""
    path = file.local
    if path is None or path.suffix != ".csv" or time.time() - path.stat().st_mtime > SETTLED_S:
        return
    with path.open("rb") as stream:
        stream.seek(-1, 2)
        if stream.read(1) != b"\n":
            raise VibesError(
                f"{path} is being written: its last line has no newline. It is read at a later poll."
            )


class StoreSource:
    """The events in a service's database, see `listing_vibes.serving.event_database.Database`; each is read once, by its id."""

    def __init__(self, place: Path | str, key: str = "events") -> None:
        self._database, self.place, self._key = place, shown_place(place), key

    def poll(self, marks: Marks) -> Poll:
        """Return the events after the mark as an events table, without those that have no user."""
        with needs("A database of events", "serve"):
            from listing_vibes.serving.event_database import Database
            from listing_vibes.serving.events import read_events

        with closing(Database(self._database, "--events")) as database:
            identity = database.identity
            after, available = marks.get(self._key) or [0, identity]
            events = read_events(database, after if available == identity else 0)
        if not events:
            return Poll(marks={self._key: [after, identity]})
        columns = [C.USER, C.LISTING, C.TIMESTAMP, C.ACTION, C.DURATION]
        cells = [[getattr(event, name) for name in columns] for event in events if event.user_id is not None]
        rows = pd.DataFrame(cells, columns=columns, dtype=object).dropna(axis="columns", how="all")
        return Poll([Frame(f"the events of {self.place}", rows, self._key, [events[-1].id, identity])])


class SqlSource:
    """The rows of a query on a database, read in full at every poll; those that were merged before change nothing.

    A query of a large table selects its recent rows, such as `WHERE updated_at > now() - interval '2 days'`.

    Raises:
        VibesError: SQLAlchemy or the database's driver is not installed, or the URL is invalid.
    """

    def __init__(self, address: str, query: str, name: str) -> None:
        self._query, self._what = query.strip().rstrip(";"), f"The query of --{name}"
        self.place = f"the tables of the query of --{name}"
        self._engine = engine_of(address, "--database")

    def poll(self, marks: Marks) -> Poll:
        """Return the rows; nothing if they are those of the last poll."""
        key = hashlib.sha256(self._query.encode()).hexdigest()[:16]
        with connected(self._engine) as connection:
            parts = read_frames(connection, statement_of(self._query), self._what)
            rows = pd.concat(parts, ignore_index=True)
        digest = hashlib.sha256(
            pd.util.hash_pandas_object(rows.astype("str"), index=False).to_numpy()
        ).hexdigest()
        if marks.get(key) == digest:
            return Poll(marks={key: digest})
        return Poll([Frame(self._what[0].lower() + self._what[1:], rows, key, digest)])


Source = FileSource | StoreSource | SqlSource


def source_of(name: str, given: str, database: str | None) -> Source:
    """Return the source of `--events`, `--listings` or `--photos`: a folder on disk or on object storage, a query, or a `.sql` file with one.

    Raises:
        VibesError: a query has no database, or the value is neither a folder nor a query.
    """
    if name == "events" and is_database(given):
        return StoreSource(given)
    if is_address(given):
        return FileSource(given, f"--{name}")
    query = query_of(given, name)
    if QUERY.match(query) and database is not None:
        return SqlSource(database, query, name)
    if not Path(given).is_dir():
        raise VibesError(
            f"--{name} '{given}' is neither a folder nor a query with --database; give the folder that new tables are put into, or "
            "SELECT ... and its database."
        )
    return FileSource(given, f"--{name}")
