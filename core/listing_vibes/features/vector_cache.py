"""A cache of vectors by content hash, one SQLite file for each encoder, safe for concurrent processes; a kill loses nothing that was written."""

import errno
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import write_error

CACHE_FILE = "vectors.sqlite"
#: The root of caches that are kept by this process and never written.
MEMORY = Path("cache in memory")
_KEPT: dict[str, dict[bytes, np.ndarray]] = {}  # vectors by encoder and key, of caches in memory
READ_ROWS = 500  # keys in a query
BUSY_SECONDS = 60.0

#: SQLite's errors that the disk or its permissions cause.
_SYSTEM_ERRORS = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_READONLY: errno.EROFS}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS encoder (name TEXT, width INTEGER, dtype TEXT);
CREATE TABLE IF NOT EXISTS vectors (key BLOB NOT NULL, vector BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS by_key ON vectors (key);
CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY, stamp TEXT NOT NULL, key BLOB, problem TEXT) WITHOUT ROWID;
"""


class Entry(NamedTuple):
    """The cached result of a file while its stamp is unchanged: the key of its content, or why it has no vector."""

    stamp: str
    key: bytes | None
    problem: str | None


class VectorCache:
    """The vectors of one encoder by the 32-byte hash of their content.

    It also stores names (paths of files) with a stamp, so that unchanged files are not read again: the key of their content,
    or why they have no vector.

    Args:
        root: parent of a folder named like the encoder, which holds the file; created on the first write. `MEMORY` for none.
        width: width of a vector; None takes the stored one.

    Raises:
        VibesError: the file is damaged, or is for another encoder or width.
    """

    def __init__(self, root: Path, encoder: str, width: int | None, dtype: type = np.float16) -> None:
        self.folder = Path(root) / folder_name(encoder)
        self.encoder, self.width, self.dtype = encoder, width, np.dtype(dtype)
        self._names: dict[str, Entry] = {}
        self._keys: set[bytes] = set()
        self._kept = _KEPT.setdefault(encoder, {}) if root == MEMORY else None
        if self._kept is not None:
            self._keys = set(self._kept)
            return
        if (self.folder / CACHE_FILE).is_file():
            self._load()

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    @property
    def is_empty(self) -> bool:
        """Whether no vector is stored."""
        return not self._keys

    def recall(self, name: str, stamp: str) -> Entry | None:
        """Return the entry of an unchanged name; None where its file has to be read."""
        entry = self._names.get(name)
        if entry is None or entry.stamp != stamp or (entry.key is not None and entry.key not in self._keys):
            return None
        return entry

    def write(self, vectors: Mapping[bytes, np.ndarray], names: Mapping[str, Entry] | None = None) -> None:
        """Store vectors (width,) by their 32-byte key, and the entries of names, in one transaction.

        Raises:
            VibesError: the disk is full or the folder cannot be written.
        """
        names = names or {}
        if not vectors and not names:
            return
        if self._kept is not None:
            self._kept.update({key: np.asarray(vector, self.dtype) for key, vector in vectors.items()})
            self._keys.update(vectors)
            self._names.update(names)
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self.folder, error) from error
        facts = (self.encoder, self.width, self.dtype.name)
        with self._connection() as database:
            database.execute("PRAGMA page_size = 32768")
            with database:  # one transaction, so that no process sees a file without its encoder
                database.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                if not database.execute("SELECT 1 FROM encoder").fetchone():
                    database.execute("INSERT INTO encoder VALUES (?, ?, ?)", facts)
                rows = ((key, np.asarray(vector, self.dtype).tobytes()) for key, vector in vectors.items())
                database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
                entries = ((name, *entry) for name, entry in names.items())
                database.executemany("INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?)", entries)
        self._keys.update(vectors)
        self._names.update(names)

    def gather(
        self, keys: Sequence[bytes | None], into: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors in the order of `keys`, written into an array (N, width) of zeros where one is given.

        Returns:
            (N, width) vectors, zero where a key is None or unknown, and (N,) bool, True where it is stored.

        Raises:
            VibesError: the file cannot be read any more.
        """
        vectors = np.zeros((len(keys), self.width or 0), self.dtype) if into is None else into  # (N, width)
        available = np.array([key is not None and key in self._keys for key in keys], bool)  # (N,)
        rows: dict[bytes, list[int]] = {}
        for row in np.flatnonzero(available).tolist():
            rows.setdefault(keys[row] or b"", []).append(row)
        unique_keys = list(rows)
        if not unique_keys:
            return vectors, available
        if self._kept is not None:
            for key, where in rows.items():
                vectors[where] = self._kept[key]
            return vectors, available
        with self._connection() as database:
            for first in range(0, len(unique_keys), READ_ROWS):
                part = unique_keys[first : first + READ_ROWS]
                query = f"SELECT key, vector FROM vectors WHERE key IN ({','.join('?' * len(part))})"  # nosec B608
                for key, vector in database.execute(query, part):
                    vectors[rows[key]] = np.frombuffer(vector, self.dtype)
        return vectors, available

    def _load(self) -> None:
        with self._connection() as database:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'encoder'").fetchone():
                return  # another process is about to write it
            stored = database.execute("SELECT name, width, dtype FROM encoder").fetchone()
            self.width = stored[1] if self.width is None else self.width
            if stored != (self.encoder, self.width, self.dtype.name):
                raise VibesError(
                    f"{self.folder / CACHE_FILE} has vectors of {stored}, not of {self.encoder} ({self.width} wide); delete it and run again."
                )
            self._keys = {key for (key,) in database.execute("SELECT key FROM vectors")}
            self._names = {name: Entry(*rest) for name, *rest in database.execute("SELECT * FROM names")}

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        file = self.folder / CACHE_FILE
        try:
            with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as database:
                yield database
        except sqlite3.OperationalError as error:
            code = _SYSTEM_ERRORS.get(error.sqlite_errorcode & 0xFF, errno.EIO)
            raise write_error(file, OSError(code, str(error))) from error
        except (sqlite3.DatabaseError, TypeError, ValueError) as error:
            raise VibesError(
                f"The cached vectors in {file} cannot be read ({error}); delete that file and run again."
            ) from error


def copy_vectors(source: Path, target: Path, keys: Sequence[bytes]) -> None:
    """Copy the vectors of the contents `keys`, by every encoder that has them, from a folder of caches to another one.

    A cache that cannot be read is left out.
    """
    for file in source.glob(f"*/{CACHE_FILE}"):
        with suppress(sqlite3.Error, TypeError, ValueError), closing(sqlite3.connect(file)) as database:
            name, width, dtype = database.execute("SELECT name, width, dtype FROM encoder").fetchone()
            store = VectorCache(target, name, width, np.dtype(dtype).type)
            copied: dict[bytes, np.ndarray] = {}
            for key in keys:
                for (vector,) in database.execute("SELECT vector FROM vectors WHERE key = ?", (key,)):
                    copied[key] = np.frombuffer(vector, dtype)
            store.write(copied)


def folder_name(encoder: str) -> str:
    """Return an encoder's name as a folder's name, with unsafe characters replaced by underscores."""
    return re.sub(r"[^A-Za-z0-9._@=-]", "_", encoder).strip(".") or "_"
