"""The database of a service through SQLAlchemy: posted events, impressions, the experiment; every lock has a timeout.

SQLite in WAL mode is the embedded default: a file shared by the processes of one machine, whose readers and writer do not block
each other. PostgreSQL, given by its URL, is for services on several machines. A method returns after its changes are committed.
"""

import os
import re
import secrets
import shlex
import shutil
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import sqlalchemy as sql

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.database import engine_of, failed
from listing_vibes.market.durable import write_error
from listing_vibes.serving.places import database_file, is_database_url

#: Seconds that a command waits for a lock; a service has a shorter timeout.
PATIENCE_S = 15.0
#: Bytes of free space below which a disk counts as full.
FULL_BYTES = 2**20
#: Maximum number of values in one condition of a statement.
PART = 500
#: Advisory lock that writers of events hold in PostgreSQL until their transaction ends. SQLite has a single writer anyway.
_WRITERS = 0x1157_1165
_IDENTITY = "identity"
T = TypeVar("T")

_number = sql.BigInteger().with_variant(sql.Integer(), "sqlite")
metadata = sql.MetaData()
events_table = sql.Table(
    "vibes_events",  # prefixed, since the database may hold other tables
    metadata,
    sql.Column("id", _number, primary_key=True, autoincrement=True),
    sql.Column("posted_at", _number, nullable=False),  # microseconds since 1970 UTC, for information only
    sql.Column(C.USER, sql.Text, index=True),
    sql.Column(C.LISTING, sql.Text, nullable=False),
    sql.Column(C.TIMESTAMP, sql.Text),
    sql.Column(C.ACTION, sql.Text),
    sql.Column(C.DURATION, sql.Double),
    sql.Column("event_id", sql.Text, unique=True),
    sql.Column("request_id", sql.Text),
    sqlite_autoincrement=True,  # ids of deleted events are not reused
)
impressions_table = sql.Table(
    "vibes_impressions",
    metadata,
    sql.Column("id", _number, primary_key=True, autoincrement=True),
    sql.Column("request_id", sql.Text, nullable=False),
    sql.Column("time", _number, nullable=False),  # microseconds since 1970 UTC
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column(C.USER, sql.Text, index=True),
    sql.Column("query", sql.Text),
    sql.Column("answer", sql.Text, nullable=False),
)
state_table = sql.Table(
    "vibes_state", metadata, sql.Column("name", sql.Text, primary_key=True), sql.Column("value", sql.Text)
)
_HEADER, _FRAME = 32, 24  # bytes, of the log and of each frame
#: Least number of commits from the first broken frame on that proves damage. A power failure may break the last one.
_COMMITS = 2


class Busy(VibesError):
    """Timeout of a lock or a response, or too many waiting requests."""


class Database:
    """A database of events, impressions and the experiment.

    Args:
        place: a folder, a database file, or a URL, see `listing_vibes.serving.places`.
        option: name of the place in messages, such as "--events".
        deadline_s: timeout of a lock in seconds.
        durable: whether a commit waits for the disk. If not, a commit survives a crash of the process, but a power failure may
            lose the last commits.

    Raises:
        VibesError: a driver is missing, the database does not exist, it cannot be opened or written, or its log is damaged.
    """

    def __init__(
        self,
        place: str | Path,
        option: str,
        create: bool = False,
        deadline_s: float = PATIENCE_S,
        durable: bool = True,
    ) -> None:
        self.deadline_s, self._durable = deadline_s, durable
        if is_database_url(str(place)):
            url = sql.make_url(str(place))
            if url.drivername in ("postgres", "postgresql"):
                url = url.set(drivername="postgresql+psycopg")
        else:
            url = sql.URL.create("sqlite", database=str(database_file(place)))
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.path = Path(url.database or "") if self.is_sqlite else None
        self.name = url.render_as_string() if self.path is None else str(self.path)
        if self.path is not None and create:
            _create_file(self.path)
        elif self.path is not None and not self.path.is_file():
            raise VibesError(f"There is no database {self.name}; give the {option} of `vibes serve`.")
        if self.path is not None:
            check_log(self.path)
        options = {"timeout": deadline_s} if self.is_sqlite else _postgres_options(deadline_s, durable)
        self.engine = engine_of(url, option, connect_args=options, pool_timeout=deadline_s)
        if self.is_sqlite:
            sql.event.listen(self.engine, "connect", self._prepare_sqlite)
            sql.event.listen(self.engine, "begin", _begin_sqlite)
        self._inode = None if self.path is None else self.path.stat().st_ino
        if create:
            with self.write() as connection:
                metadata.create_all(connection)
            self.begin_state(_IDENTITY, secrets.token_hex(8))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[sql.Connection]:
        """Yield a connection that sees one snapshot."""
        with self._errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, ordered: bool = True) -> Iterator[sql.Connection]:
        """Yield a transaction that blocks other writers (in PostgreSQL: only if it is `ordered`).

        Ids of ordered writers grow in the order of their commits, so reading all rows after an id misses none.
        """
        if self.path is not None and not (self.path.exists() and self.path.stat().st_ino == self._inode):
            raise VibesError(
                f"{self.name} was removed or replaced while it was open; restart the service or command that writes it."
            )
        with self._errors(), self.engine.connect() as connection:
            connection = connection.execution_options(vibes_writes=True)
            with connection.begin():
                if ordered and not self.is_sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
                yield connection

    def read_state(self, name: str) -> str | None:
        """Return the stored value of a name; None if there is none."""
        with self.read() as connection:
            return connection.scalar(sql.select(state_table.c.value).where(state_table.c.name == name))

    def begin_state(self, name: str, value: str) -> str:
        """Return the stored value of a name; store `value` first if there is none."""
        with self.write() as connection:
            current = connection.scalar(sql.select(state_table.c.value).where(state_table.c.name == name))
            if current is None:
                connection.execute(state_table.insert(), {"name": name, "value": value})
            return current or value

    def state_names(self, prefix: str) -> list[str]:
        """Return the names of stored values that begin with a prefix."""
        with self.read() as connection:
            names = connection.scalars(sql.select(state_table.c.name))
            return [name for name in names if name.startswith(prefix)]

    @property
    def identity(self) -> str:
        """Return the id of this database, which differs from that of a database recreated at the same place."""
        return self.read_state(_IDENTITY) or ""

    def users(self) -> list[str]:
        """Return the ids of all users that have rows."""
        names = [sql.select(table.c[C.USER]) for table in (events_table, impressions_table)]
        with self.read() as connection:
            return [name for name in connection.scalars(sql.union(*names)) if name is not None]

    def delete_users(self, users: Collection[str]) -> int:
        """Delete all rows of users, including the bytes that SQLite leaves in its files, and return their number.

        Raises:
            Busy: another process holds a lock, or a reader prevents SQLite from emptying its log.
        """
        count = 0
        with self.write() as connection:
            for table in (events_table, impressions_table):
                for part in parts(list(users)):
                    count += connection.execute(table.delete().where(table.c[C.USER].in_(part))).rowcount
        if self.is_sqlite and users:
            with self._errors(), self.engine.connect() as connection:
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
                row = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").first()
            if row is not None and row[0]:
                raise Busy(
                    f"{self.name} is being read, so its log may still hold these users; run the same command again."
                )
        return count

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sql.exc.TimeoutError as error:
            raise Busy(f"{self.name} did not answer within {self.deadline_s:g} s.") from error
        except sql.exc.SQLAlchemyError as error:
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> VibesError:
        reason = str(getattr(error, "orig", None) or error)
        if re.search(r"locked|lock timeout|statement timeout|timeout expired", reason):
            return Busy(f"{self.name} was locked by another process for more than {self.deadline_s:g} s.")
        # On a full disk SQLite reports no more than "disk I/O error" for the index of its log.
        no_room = self.path is not None and shutil.disk_usage(self.path.parent).free < FULL_BYTES
        if re.search(r"is full|No space left", reason) or ("disk I/O" in reason and no_room):
            return VibesError(f"The disk is full while writing {self.name}; free some space.")
        if "readonly" in reason or "unable to open" in reason:
            return VibesError(f"Cannot write {self.name} ({reason}); choose a folder that can be written.")
        return failed(self.engine, "The database of the service", error)

    def _prepare_sqlite(self, connection: Any, _: Any) -> None:
        connection.isolation_level = None  # `_begin_sqlite` begins the transactions
        cursor = connection.cursor()
        until = time.monotonic() + self.deadline_s
        while True:
            try:
                cursor.execute("PRAGMA journal_mode=WAL").fetchone()
                break
            except sqlite3.OperationalError:  # raised at once if two processes start together
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
        cursor.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
        cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten
        cursor.close()


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the values in batches of the size that one condition of a statement may have."""
    for first in range(0, len(values), PART):
        yield values[first : first + PART]


def _create_file(path: Path) -> None:
    """Create an empty file that only its owner can read, since it names users.

    An existing file is not opened: closing it would release the locks of this process's connections, and SQLite in another
    process would then remove the log that they write to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise write_error(path, error) from error


def _begin_sqlite(connection: sql.Connection) -> None:
    writes = connection.get_execution_options().get("vibes_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgres_options(deadline_s: float, durable: bool) -> dict[str, Any]:
    """Return timeouts for waiting on a lock and for an idle client that holds one, such as a frozen process."""
    settings: dict[str, Any] = {"lock_timeout": max(1, int(1000 * deadline_s))}
    settings |= {"idle_in_transaction_session_timeout": 10_000}
    settings |= {} if durable else {"synchronous_commit": "off"}
    return {
        "connect_timeout": max(2, int(deadline_s)),
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }


def check_log(database: Path) -> None:
    """Raise where the write-ahead log of a database is damaged; a last commit that a power failure cut off is no damage.

    SQLite takes the damage for the end of the log, and removes the log when it closes: commits behind it would be lost in silence.
    No library has this check: SQLite's own tools read a log up to the first frame whose checksum fails as well.

    Raises:
        VibesError: the log is damaged; names it, the place of the damage and what to do.
    """
    log = database.with_name(database.name + "-wal")
    first = _damage(log)
    if first is not None:
        time.sleep(0.05)  # of a log that another process writes, parts of two moments were read
    if first is None or _damage(log) != first:
        return
    place, end = first
    raise VibesError(
        f"{log}, the write-ahead log of {database.name}, is damaged at byte {place}, so what was committed from there on cannot be "
        f"read. Restore both files from a backup, or continue without it: truncate -s {end} {shlex.quote(str(log))}"
    )


def _damage(log: Path) -> tuple[int, int] | None:
    """Return the first byte of the frame that is damaged, and the end of the last commit before it; None if there is no damage.

    The format is section 4 of https://www.sqlite.org/fileformat2.html.
    """
    try:
        content = log.read_bytes()
    except OSError:  # there is none, or SQLite will say what is wrong with it
        return None
    if len(content) < _HEADER:
        return None
    head = np.frombuffer(content, ">u4", _HEADER // 4)
    words = ">u4" if head[0] & 1 else "<u4"  # of checksums
    size = int(head[2])  # of a page in bytes
    sums = _checksum(np.frombuffer(content, words, _HEADER // 4 - 2)[None], np.zeros((1, 2), np.uint32))[0]
    if head[0] & ~np.uint32(1) != 0x377F0682 or not np.array_equal(sums, head[6:8]):
        rest = content[_HEADER:]
        return (0, 0) if len(rest) > _FRAME and any(rest) else None
    frames = np.frombuffer(
        content, np.uint8, (len(content) - _HEADER) // (_FRAME + size) * (_FRAME + size), _HEADER
    )
    frames = frames.reshape(-1, _FRAME + size)  # (N, bytes)
    heads = frames[:, :_FRAME].copy().view(">u4")  # (N, 6): page, pages after a commit, 2 salts, 2 checksums
    current = (heads[:, 2:4] == head[4:6]).all(axis=1)  # the others are of an older log, or never written
    before = np.vstack([head[6:8], heads[:-1, 4:6]]) if len(heads) else np.zeros((0, 2))
    data = np.hstack([frames[:, :8], frames[:, _FRAME:]]).view(words)  # (N, words)
    broken = np.flatnonzero((_checksum(data, before) != heads[:, 4:6]).any(axis=1) | ~current)
    commits = np.flatnonzero(current & (heads[:, 1] > 0))
    if not len(broken) or (commits >= broken[0]).sum() < _COMMITS:
        return None
    good = commits[commits < broken[0]]
    end = _HEADER + (int(good[-1]) + 1 if len(good) else 0) * (_FRAME + size)
    return _HEADER + int(broken[0]) * (_FRAME + size), end


def _checksum(data: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the checksums (N, 2) of rows of words (N, W), each continued from the checksum (N, 2) before it."""
    first, second = before.astype(np.uint32).T
    for even, odd in zip(data.T[0::2], data.T[1::2], strict=True):  # (N,) each; they wrap at 2 ** 32
        first = first + even.astype(np.uint32) + second
        second = second + odd.astype(np.uint32) + first
    return np.stack([first, second], axis=1)
