"""Tables without the rows of some users: the same files, of the same columns, types and order."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from listing_vibes.errors import VibesError
from listing_vibes.market.arrow import to_frame
from listing_vibes.market.column_names import names_in
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.io import TABLE_SUFFIXES, csv_separator, read_table, table_columns
from listing_vibes.market.rejects import REJECT_COLUMNS
from listing_vibes.market.values import id_text
from listing_vibes.serving.forget.who import Who
from listing_vibes.serving.refresh.logged import SUFFIX

#: The user of a line that is no JSON: a text, or a number.
_USER = re.compile(rb'"user_id"\s*:\s*(?:"([^"]*)"|([^\s,}"]+))')
#: Rows of a CSV that are in memory at once.
ROWS = 200_000


def tables_of(folder: Path) -> Iterator[Path]:
    """Every table and journal in a folder and those below it, hidden ones and links too; `folder` may be one file."""
    files = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    for path in files:
        if path.name.endswith((*TABLE_SUFFIXES, SUFFIX)) and path.is_file():
            yield path


def has_users(path: Path) -> bool:
    """Whether a table tells of users.

    Raises:
        VibesError: it cannot be read, so that nobody knows.
    """
    if path.suffix == SUFFIX:
        return True
    try:
        columns = table_columns(path)
    except pd.errors.EmptyDataError:
        return False
    except Exception as error:  # of a damaged file pandas and pyarrow raise anything
        raise VibesError(
            f"{path} cannot be read as a table, so it may tell of them still; mend or remove it, and run the same again."
        ) from error
    return _user_column(path, columns) is not None or tuple(columns) == REJECT_COLUMNS


def rows_of(path: Path, who: Who) -> np.ndarray:
    """(n,) bool: which rows of a table with users are theirs.

    Raises:
        VibesError: it is no table.
    """
    if path.suffix == SUFFIX:
        lines, rest = _lines_of(path)
        return _rows_of_lines([*lines, rest], who)
    name = _user_column(path, table_columns(path))
    if path.suffix == ".parquet" and name is not None:
        table = to_frame(pq.read_table(path, columns=[name]))
    else:
        table = read_table(path)
    return who.rows(table.rename(columns={name: C.USER}) if name is not None else table)


def _user_column(path: Path, columns: list[str]) -> str | None:
    """The column that tells the users: as the market beside it maps it, or as all tables call it."""
    mapped = names_in(columns, path, MarketConfig.load(path.parent / "market.toml"), strict=False)
    return next((name for name in columns if mapped.get(name, name) == C.USER), None)


def without(path: Path, who: Who) -> int:
    """Rewrite a table without their rows, where it has any; returns how many there were.

    The new file replaces the old one by a rename. Values of dictionaries that only these rows had are gone as well.

    Raises:
        VibesError: it is no table, the disk is full, or the folder cannot be written.
    """
    if path.suffix == SUFFIX:
        return _without_lines(path, who)
    theirs = rows_of(path, who)
    if theirs.any():
        mode = path.stat().st_mode & 0o777
        with atomic_path(path) as temporary:
            write = _parquet if path.suffix == ".parquet" else _csv
            write(path, temporary, ~theirs)
        path.chmod(mode)
    return int(theirs.sum())


def _without_lines(path: Path, who: Who) -> int:
    """Rewrite a file of JSON without their lines and without a last line that was never finished, which may hold half an id."""
    lines, rest = _lines_of(path)
    theirs = _rows_of_lines([*lines, rest], who)
    if rest or theirs.any():
        mode = path.stat().st_mode & 0o777
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"".join(lines[row] for row in np.flatnonzero(~theirs[:-1])))
        path.chmod(mode)
    return int(theirs.sum())


def _lines_of(path: Path) -> tuple[list[bytes], bytes]:
    """The lines of a journal that were finished, with their ends, and the rest."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    return content[:end].splitlines(keepends=True), content[end:]


def _rows_of_lines(lines: list[bytes], who: Who) -> np.ndarray:
    """(n,) bool: which lines of JSON are theirs."""
    return who.rows(pd.DataFrame({C.USER: pd.Series([_user_of(line) for line in lines], dtype="str")}))


def _user_of(line: bytes) -> str | None:
    """The user of a line, whole or not."""
    try:
        event = from_json(line, allow_partial="trailing-strings")
        return id_text(event.get(C.USER))
    except (ValueError, AttributeError):  # no JSON, or no event
        damaged = _USER.search(line)
        return id_text((damaged[1] or damaged[2]).decode(errors="replace")) if damaged else None


def _parquet(source: Path, target: Path, keep: np.ndarray) -> None:
    with pa.OSFile(str(source)) as stream:
        file, first = pq.ParquetFile(stream), 0
        schema = file.schema_arrow
        groups = file.metadata.num_row_groups
        packed = file.metadata.row_group(0).column(0).compression if groups else "SNAPPY"
        with pq.ParquetWriter(
            target, schema, compression="NONE" if packed == "UNCOMPRESSED" else packed
        ) as writer:
            for number in range(groups):
                table = file.read_row_group(number)
                kept = table.filter(pa.array(keep[first : first + len(table)]))
                first += len(table)
                if len(kept):
                    columns = [_anew(column) for column in kept.columns]
                    writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _anew(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of dictionary type without the values of rows that are gone."""
    if not pa.types.is_dictionary(column.type):
        return column
    plain = column.cast(column.type.value_type).combine_chunks().dictionary_encode()
    indices = plain.indices.cast(column.type.index_type)
    return pa.chunked_array([pa.DictionaryArray.from_arrays(indices, plain.dictionary)])


def _csv(source: Path, target: Path, keep: np.ndarray) -> None:
    mark = csv_separator(source)
    parts = pd.read_csv(
        source, dtype="str", na_filter=False, index_col=False, encoding="utf-8", chunksize=ROWS, sep=mark
    )
    first = 0
    with _opened(source, target) as stream:
        for part in parts:
            kept = part[keep[first : first + len(part)]]
            stream.write(kept.to_csv(index=False, header=first == 0, lineterminator="\n", sep=mark).encode())
            first += len(part)


@contextmanager
def _opened(source: Path, target: Path) -> Iterator[IO[bytes]]:
    """`target` to write to, packed as `source` is; no time in it, so that the same rows are the same bytes."""
    with target.open("wb") as plain:
        if not source.name.endswith(".gz"):
            yield plain
            return
        with gzip.GzipFile(fileobj=plain, mode="wb", filename="", mtime=0) as packed:
            yield packed  # type: ignore[misc]
