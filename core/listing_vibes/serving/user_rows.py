"""Rows of users in tables, databases and other files: find them by id or hash, and remove them."""

import bz2
import gzip
import json
import lzma
import os
import re
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError, needs
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import HASHED, LEAST_KEY, VARIABLE, hashed_name
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.io import OPENERS, csv_header, to_frame
from listing_vibes.market.values import as_ids, id_text

#: Compressors whose result depends on the content only.
_COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": lambda content: gzip.compress(content, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


class UsersToForget:
    """Users to remove, by their ids, by hashes that keys give them, and by hashes of these hashes.

    Args:
        users: ids or hashes.
        keys: keys of markets and services that may have hashed them.

    Attributes:
        found: users that at least one place had.
    """

    def __init__(self, users: Sequence[str], keys: Iterable[bytes] = ()) -> None:
        self.keys, self.found = list(dict.fromkeys(keys)), set[str]()
        self._users = {name: name for name in (id_text(user) or "" for user in users)}
        self._given = self._with_hashes()

    def _with_hashes(self) -> dict[str, str]:
        given = dict(self._users)
        for _ in range(2):  # a service may hash the names of a market that are hashes
            given |= {hashed_name(name, key): user for name, user in given.items() for key in self.keys}
        return given

    @property
    def are_hashed(self) -> bool:
        """Whether some users are given by a hash, whose id is to be found."""
        return any(HASHED.fullmatch(user) for user in self._users)

    def add_ids(self, ids: Iterable[str]) -> None:
        """Add those of `ids` whose hash was given, so that other hashes of them are found as well."""
        for name in set(ids) - {*self._users}:
            for key in self.keys:
                if (user := self._users.get(hashed_name(name, key))) is not None:
                    self._users[name] = user
        self._given = self._with_hashes()

    def rows_in(self, users: pd.Series) -> np.ndarray:
        """Return which rows (n,) bool belong to these users."""
        matches = as_ids(users).map(self._given)
        self.found |= set(matches.dropna())
        return np.asarray(matches.notna().to_numpy(bool))

    def are_named_in(self, content: bytes) -> bool:
        """Return whether a file's content has one of these names as a whole value; a number only between quotes or tags."""
        words = [name.encode() for name in self._given if not name.isdigit()]
        numbers = [name.encode() for name in self._given if name.isdigit()]
        patterns = [rb"(?<![\w@.-])(?:%s)(?![\w@-])" % b"|".join(map(re.escape, words))] if words else []
        patterns += [rb"[\"'>](?:%s)[\"'<]" % b"|".join(map(re.escape, numbers))] if numbers else []
        for text in (content, content.replace(b"\0", b"")):  # UTF-8, and UTF-16 or UTF-32
            if any(re.search(pattern, text) for pattern in patterns):
                return True
        return False


def keys_of(files: Iterable[Path]) -> list[bytes]:
    """Return the keys in files, and that of the environment, which does not replace them: it may be newer."""
    texts = [os.environ.get(VARIABLE, "")]
    for file in files:
        try:
            texts.append(file.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise VibesError(f"The key {file} cannot be read ({error}); correct or remove it.") from error
    return [text.encode() for text in dict.fromkeys(texts) if len(text) >= LEAST_KEY]


def users_of(path: Path) -> pd.Series:
    """Return the user of each row (n,) of a table; empty for a table without a column of users.

    Raises:
        VibesError: the file cannot be read as a table.
    """
    try:
        if _is_lines(path):
            return pd.Series([_user_of(line) for line in _lines(path)], dtype=object)
        if _is_parquet(path):
            with pa.OSFile(str(path)) as stream:
                file = pq.ParquetFile(stream)
                name = _user_column(file.schema_arrow.names)
                if name is None:
                    return pd.Series(dtype="str")
                table = _plain(file.read(columns=[name]))
            column = to_frame(table)[name]
            return column.astype(column.cat.categories.dtype) if column.dtype == "category" else column
        names, mark = csv_header(path)
        if (name := _user_column(names)) is None:
            return pd.Series(dtype="str")
        return _read_csv(path, mark).iloc[:, names.index(name)]
    except Exception as error:  # readers of damaged files raise many types of errors
        raise VibesError(
            f"{path} cannot be read as a table, so it may still name the users; correct or remove it, and run the same command again."
        ) from error


def remove_rows(path: Path, who: UsersToForget) -> int:
    """Rewrite a table without the users' rows, if it has any; return their number.

    The new file replaces the old one by a rename. It has the same columns, types and order; dictionary values that only these rows
    used are removed as well.

    Raises:
        VibesError: the file is not a table, the disk is full, or the folder cannot be written.
    """
    theirs = who.rows_in(users_of(path))
    if theirs.any():
        mode = path.stat().st_mode & 0o777
        with atomic_path(path) as temporary:
            if _is_parquet(path):
                _copy_parquet(path, temporary, ~theirs)
            else:
                rows = _text_rows(path, ~theirs)
                temporary.write_bytes(_COMPRESS.get(path.suffix.lower(), bytes)(rows))
        path.chmod(mode)
    return int(theirs.sum())


def names_users(path: Path, who: UsersToForget) -> bool:
    """Return whether a file that is neither a table nor a database names the users, also inside gzip, zip and npz."""
    return any(who.are_named_in(content) for content in _contents(path))


def database_users(place: str) -> list[str]:
    """Return the users in a database of a service; empty for a database of another program without a column of users.

    Raises:
        VibesError: it cannot be read, or is another program's and has a column of users.
    """
    if (path := Path(place)).is_file():
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
                query = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
                columns = database.execute(query).fetchall()
        except sqlite3.DatabaseError as error:
            raise VibesError(
                f"{path} cannot be read as a database ({error}); correct or remove it."
            ) from error
        if not any(table.startswith("vibes_") for table, _ in columns):
            if (named := _user_column([name for _, name in columns])) is None:
                return []
            raise VibesError(
                f"{path} is a database of another program with a column {named}; remove the users there."
            )
    with _opened(place) as database:
        users: list[str] = database.users()
        return users


def remove_from_database(place: str, who: UsersToForget) -> int:
    """Delete the users' rows, also while services write; return their number.

    Raises:
        VibesError: the database cannot be read or written, or hashed users with a key that is not at hand.
    """
    from listing_vibes.serving.impressions import KEY_STATE

    users = database_users(place)
    theirs = [users[row] for row in np.flatnonzero(who.rows_in(pd.Series(users, dtype="str")))]
    if not users:
        return 0
    with _opened(place) as database:
        count: int = database.delete_users(theirs)
        known = {hashed_name("", key) for key in who.keys}
        if {name.removeprefix(KEY_STATE) for name in database.state_names(KEY_STATE)} - known:
            raise VibesError(
                f"{database.name} has users hashed with a key that is not at hand; set {VARIABLE} to that key, and run the same "
                "command again."
            )
    return count


def _opened(place: str) -> Any:
    with needs("A database of events and impressions", "serve"):
        from listing_vibes.serving.event_database import Database

    return closing(Database(place, "--also"))


def _is_parquet(path: Path) -> bool:
    if path.name.lower().endswith(".parquet"):
        return True
    with path.open("rb") as stream:
        return stream.read(4) == b"PAR1"


def _is_lines(path: Path) -> bool:
    return re.search(r"\.(jsonl|ndjson)(\.\w+)?$", path.name.lower()) is not None


def _user_column(names: Sequence[str]) -> str | None:
    return next((name for name in names if name.strip().lower() == C.USER), None)


def _open(path: Path) -> Any:
    return OPENERS.get(path.suffix.lower(), open)(path, "rb")


def _lines(path: Path) -> list[bytes]:
    with _open(path) as stream:
        return [line for line in stream.read().splitlines(keepends=True) if line.strip()]


def _user_of(line: bytes) -> Any:
    """Return the user of a line of JSON; a partial line that may have one raises."""
    try:
        row = json.loads(line)
    except ValueError:
        if C.USER.encode() in line:
            raise
        row = None
    return row.get(C.USER) if isinstance(row, dict) else None


def _read_csv(path: Path, mark: str) -> pd.DataFrame:
    with _open(path) as stream:
        return pd.read_csv(
            BytesIO(stream.read()), dtype="str", na_filter=False, index_col=False, encoding="utf-8", sep=mark
        )


def _text_rows(path: Path, keep: np.ndarray) -> bytes:
    """Return the rows of a CSV or of JSON lines that are kept, as UTF-8."""
    if _is_lines(path):
        return b"".join(line for line, is_kept in zip(_lines(path), keep, strict=True) if is_kept)
    mark = csv_header(path)[1]
    text: str = _read_csv(path, mark)[keep].to_csv(index=False, lineterminator="\n", sep=mark)
    return text.encode()


def _copy_parquet(source: Path, target: Path, keep: np.ndarray) -> None:
    with pa.OSFile(str(source)) as stream:
        table = _plain(pq.ParquetFile(stream).read()).filter(pa.array(keep))
    for place, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type):  # encoded again, without unused values
            plain = column.cast(column.type.value_type).combine_chunks().dictionary_encode()
            indices = plain.indices.cast(column.type.index_type)
            values = pa.DictionaryArray.from_arrays(indices, plain.dictionary)
            table = table.set_column(place, table.schema.field(place), values)
    pq.write_table(table, target, compression="zstd")


def _plain(table: pa.Table) -> pa.Table:
    """Return the table with views of texts as texts, which Arrow can filter."""
    kinds = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    for place, field in enumerate(table.schema):
        if field.type in kinds:
            column = table.column(place).cast(kinds[field.type])
            table = table.set_column(place, field.with_type(kinds[field.type]), column)
    return table


def _contents(path: Path) -> Iterator[bytes]:
    """Yield the content of a file, and what is compressed in it."""
    with path.open("rb") as stream:
        raw = stream.read()
    yield raw
    if raw[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(BytesIO(raw)) as archive:
            for name in archive.namelist():
                yield archive.read(name)
    elif path.suffix.lower() in OPENERS:
        with _open(path) as stream:
            yield stream.read()
