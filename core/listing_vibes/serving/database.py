"""A database by its place, with a deadline for every lock: SQLite in WAL mode, or PostgreSQL.

SQLite is the embedded default: a file that the processes of one machine share, and whose readers and writer do not wait for each other.
PostgreSQL, by its URL, is for services on several machines.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from listing_vibes.errors import VibesError, needs
from listing_vibes.market.database import engine_of, failed
from listing_vibes.market.durable import write_error
from listing_vibes.serving.deadline import Late

#: The database of a folder, and how a database file ends.
FILE = "service.sqlite"
SUFFIXES = (".sqlite", ".sqlite3", ".db")
#: Seconds that a command waits for a lock; a service waits less.
PATIENCE_S = 60.0
#: A disk with less room is full.
FULL_BYTES = 2**20

_URL = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?://")
#: The lock that writers hold in PostgreSQL until their transaction ends. SQLite has one writer anyway.
_WRITERS = 0x1157_1165


class DiskFull(VibesError):
    """There is no room for what should be written."""


def is_database_url(text: str) -> bool:
    """Whether a place is a database by its URL, rather than a folder or a file."""
    return _URL.match(text) is not None


def is_store(place: str) -> bool:
    """Whether a place is a database by itself: its URL, or its file."""
    return is_database_url(place) or (Path(place).suffix in SUFFIXES and Path(place).is_file())


def has_store(folder: Path) -> bool:
    """Whether a folder has the database of a service."""
    return (folder / FILE).is_file()


def resolve_place(place: str | Path) -> str:
    """Return a place as it is known from any working directory, without a password."""
    if not is_database_url(str(place)):
        return str(Path(place).resolve())
    import sqlalchemy as sql

    return sql.make_url(str(place))._replace(password=None).render_as_string()


def shown_place(place: str | Path) -> str:
    """Return a place as a sentence may show it, without a password."""
    return re.sub(r"(?<=://)[^/@]*@", "", str(place))


class Database:
    """The database of a place.

    Args:
        place: a folder (its file is `FILE`), a database file, or a URL of SQLite or PostgreSQL.
        option: what a sentence calls the place, such as "--events".
        create: make the database where it is not there.
        deadline_s: seconds that a lock is waited for.
        durable: whether a commit waits for the disk. Without, what was committed outlives the process, and the loss of power but for
            the last moments.

    Raises:
        VibesError: SQLAlchemy or a driver is missing, there is no such database, or it cannot be opened or written.
    """

    def __init__(
        self,
        place: str | Path,
        option: str,
        create: bool = False,
        deadline_s: float = PATIENCE_S,
        durable: bool = True,
    ) -> None:
        with needs("A database of events and impressions", "serve"):
            import sqlalchemy as sql
        self.deadline_s, self._durable = deadline_s, durable
        if is_database_url(str(place)):
            url = sql.make_url(str(place))
            if url.drivername in ("postgres", "postgresql"):
                url = url.set(drivername="postgresql+psycopg")
        else:
            url = sql.URL.create("sqlite", database=str(_file_of(str(place))))
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.path = Path(url.database or "") if self.is_sqlite else None
        self.name = url.render_as_string() if self.path is None else str(self.path)
        if self.path is not None and create:
            _create_file(self.path)
        elif self.path is not None and not self.path.is_file():
            raise VibesError(f"There is no database {self.name}; give the {option} of `vibes serve`.")
        options: dict[str, Any] = {"timeout": deadline_s} if self.is_sqlite else _postgres_options(deadline_s)
        self.engine = engine_of(url, option, connect_args=options, pool_timeout=deadline_s)
        if self.is_sqlite:
            sql.event.listen(self.engine, "connect", self._prepare_sqlite)
            sql.event.listen(self.engine, "begin", _begin_sqlite)
        elif not durable:
            sql.event.listen(self.engine, "connect", _relax_postgres)
        self._inode = None if self.path is None else self.path.stat().st_ino

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def check(self) -> None:
        """Take the lock of a writer and let it go.

        Raises:
            Late: another process holds it.
            VibesError: the database cannot be written.
        """
        with self.write():
            pass

    @contextmanager
    def read(self, transaction: bool = True) -> Iterator[Any]:
        """A connection for reading one snapshot, or without a transaction."""
        with self._errors(), self.engine.connect() as connection:
            if not transaction:
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    @contextmanager
    def write(self, ordered: bool = True) -> Iterator[Any]:
        """A transaction that others who write wait for (in PostgreSQL: only if it is `ordered`)."""
        if self.path is not None and not _has_inode(self.path, self._inode):
            raise VibesError(
                f"{self.name} was removed or replaced while it was open; restart what writes it."
            )
        with self._errors(), self.engine.connect() as connection:
            connection = connection.execution_options(vibes_writes=True)
            with connection.begin():
                if ordered and not self.is_sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
                yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import sqlalchemy as sql

        try:
            yield
        except sql.exc.TimeoutError as error:
            raise Late(f"{self.name} did not answer within {self.deadline_s:g} s.") from error
        except sql.exc.SQLAlchemyError as error:
            raise self._sentence(error) from error

    def _sentence(self, error: Exception) -> VibesError:
        reason = str(getattr(error, "orig", None) or error)
        if re.search(r"locked|lock timeout|statement timeout|timeout expired", reason):
            return Late(f"{self.name} was locked by another process for more than {self.deadline_s:g} s.")
        if re.search(r"is full|No space left", reason) or ("disk I/O" in reason and self._has_full_disk()):
            return DiskFull(f"The disk is full while writing {self.name}; free some space.")
        if "readonly" in reason or "unable to open" in reason:
            return VibesError(f"Cannot write {self.name} ({reason}); choose a folder that can be written.")
        return failed(self.engine, "What the service keeps", error)

    def _has_full_disk(self) -> bool:
        """Whether the disk has no room for SQLite's index of its log, of which it says no more than "disk I/O error"."""
        return self.path is not None and shutil.disk_usage(self.path.parent).free < FULL_BYTES

    def _prepare_sqlite(self, connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where `_begin_sqlite` says so
        cursor = connection.cursor()
        _enter_wal(cursor, self.deadline_s)
        cursor.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
        cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten
        cursor.close()


def _file_of(place: str) -> Path:
    path = Path(place)
    return path if path.suffix in SUFFIXES and not path.is_dir() else path / FILE


def _create_file(path: Path) -> None:
    """Make an empty file that its owner alone can read: it tells of users."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise write_error(path, error) from error


def _has_inode(path: Path, inode: int | None) -> bool:
    try:
        return path.stat().st_ino == inode
    except FileNotFoundError:
        return False


def _enter_wal(cursor: Any, deadline_s: float) -> None:
    """Write ahead, so that readers and a writer do not wait for each other. SQLite gives up at once where two begin together."""
    import sqlite3

    until = time.monotonic() + deadline_s
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Any) -> None:
    writes = connection.get_execution_options().get("vibes_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _relax_postgres(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")
    connection.commit()


def _postgres_options(deadline_s: float) -> dict[str, Any]:
    """A lock has a deadline, and so has a client that holds one and does nothing, for example since it was frozen."""
    milliseconds = max(1, int(1000 * deadline_s))
    settings = {"lock_timeout": milliseconds, "idle_in_transaction_session_timeout": 10_000}
    return {
        "connect_timeout": max(2, int(deadline_s)),
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
