"""Read tables, and write them atomically."""

import csv
import gzip
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.table_limit import check_table_size

#: Above this, not every integer is a float; pandas converts integer columns with missing cells to floats.
_EXACT = 2**53
_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
TABLES = ("listings", "photos", "events")
#: The first characters of a text that a spreadsheet would run as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
TABLE_SUFFIXES = (".parquet", ".csv", ".csv.gz")


def table_files(folder: Path, name: str) -> list[Path]:
    """Return the files of table `name` in `folder`, of which a market has at most one."""
    paths = (folder / f"{name}{suffix}" for suffix in TABLE_SUFFIXES)
    return [path for path in paths if path.is_file()]


def find_table(folder: Path, name: str) -> Path | None:
    """Return the file of table `name` in `folder`, None where there is none.

    Raises:
        VibesError: there are several files for the table.
    """
    files = table_files(folder, name)
    if len(files) > 1:
        names = " and ".join(path.name for path in files)
        raise VibesError(f"{folder} has {names} for one table; remove the one that is out of date.")
    return files[0] if files else None


def read_table(path: Path) -> pd.DataFrame:
    """Read a parquet or CSV table; every CSV cell comes back as text, empty cells as missing.

    Raises:
        VibesError: the file is not a table of its format, its header does not fit its rows, or it exceeds the memory limit.
    """
    with _wrap_errors(path):
        check_table_size(path)
        return _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)


@contextmanager
def _wrap_errors(path: Path) -> Iterator[None]:
    """Raise errors of reading a table as one sentence."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise VibesError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8.") from error
    except OSError as error:
        raise VibesError(f"Cannot read {path}: {error.strerror or error}; check the file.") from error
    except VibesError:
        raise
    except Exception as error:  # on a damaged file pandas and pyarrow raise many types of errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VibesError(
            f"{path} cannot be read as a table ({reason.rstrip('.')}); export it again."
        ) from error


def read_stored_table(path: Path, columns: Iterable[str], hint: str) -> pd.DataFrame | None:
    """Read a table that is stored with a run; return None where there is none.

    Args:
        columns: the required columns.
        hint: what to do where one is missing, such as "evaluate the run again".

    Raises:
        VibesError: the file is not a table, or lacks a column.
    """
    if not path.is_file():
        return None
    frame = read_table(path)
    for name in columns:
        if name not in frame.columns:
            raise VibesError(f"{path} lacks the column {name}; {hint}.")
    return frame


def require_numbers(
    frame: pd.DataFrame, path: Path, columns: Iterable[str], hint: str, missing: bool = False
) -> None:
    """Check that columns of a stored table hold finite numbers only, or (`missing`) finite numbers and missing cells.

    Raises:
        VibesError: a column holds anything else.
    """
    for name in columns:
        column = frame[name]
        numbers = pd.to_numeric(column, errors="coerce").astype("float64")
        bad = ~np.isfinite(numbers.to_numpy())
        if missing:
            bad &= column.notna().to_numpy(bool)
        if bad.any():
            value = str(column.iloc[int(bad.argmax())])[:80]
            raise VibesError(
                f"{path}, column {name}, row {int(bad.argmax()) + 1} is '{value}', no number; {hint}."
            )


def check_table_name(path: Path | None, option: str) -> None:
    """Check that the file that `option` names ends as a Parquet or CSV table does; None passes."""
    if path is not None and path.suffix not in (".parquet", ".csv"):
        raise VibesError(f"Option {option} is '{path}'; name a file that ends in .parquet or .csv.")


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a Parquet file, or CSV for spreadsheets where the name ends so, atomically."""
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            temporary.write_bytes(spreadsheet_csv(frame))
        else:
            frame.to_parquet(temporary, index=False)


def read_header(path: Path) -> pd.DataFrame:
    """Read the columns of a table without its rows."""
    with _wrap_errors(path):
        if path.suffix != ".parquet":
            return _read_csv(path, rows=0)
        return without_categories(pq.read_schema(path).remove_metadata().empty_table().to_pandas())


def _read_parquet(path: Path) -> pd.DataFrame:
    # pyarrow opens a path twice, so it would read the rows of a new file by the footer of the old one where the file
    # was replaced in between.
    with pa.OSFile(str(path)) as file:
        # `pd.read_parquet` would import all of Arrow's dataset module for one file.
        table = pq.ParquetFile(file).read(use_pandas_metadata=True)
    for name, column in zip(table.column_names, table.columns, strict=True):
        check_text(column, f"{path}, column {name}")
    return without_categories(to_frame(table))


def check_text(column: pa.Array | pa.ChunkedArray, where: str) -> None:
    """Check that a text column is valid UTF-8, which Parquet does not guarantee and every later step requires."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise VibesError(
                f"{where} is not UTF-8 text; write it as UTF-8, or as a column of bytes."
            ) from error


def without_categories(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with each categorical column converted to the type of its categories."""
    kinds = {
        name: kind.categories.dtype
        for name, kind in table.dtypes.items()
        if isinstance(kind, pd.CategoricalDtype)
    }
    return table.astype(kinds) if kinds else table


def csv_header(path: Path) -> tuple[list[str], str]:
    """Return the column names and the separator of a CSV: a semicolon or a tab where its header has no comma, else a comma."""
    open_text: Any = gzip.open if path.suffix == ".gz" else open
    with open_text(path, "rt", encoding="utf-8-sig", newline="") as stream:
        line = stream.readline()
        while line.count('"') % 2 and (more := stream.readline()):  # a quoted line break
            line += more
    names = next(csv.reader([line]), [])
    mark = next((mark for mark in (";", "\t") if len(names) == 1 and mark in line), ",")
    return next(csv.reader([line], delimiter=mark), []), mark


def _read_csv(path: Path, rows: int | None = None) -> pd.DataFrame:
    names, mark = csv_header(path)
    with warnings.catch_warnings():
        # pandas would drop cells beyond the header with only a warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(
            path,
            dtype="str",
            keep_default_na=False,
            na_values=[""],
            encoding="utf-8",
            index_col=False,
            sep=mark,
            nrows=rows,
        )
    # pandas renames a repeated column to `name.1`; only the author of the file knows which one is right.
    repeated = [name for name in names if name and names.count(name) > 1]
    if repeated:
        raise VibesError(f"{path} has the column '{repeated[0]}' twice; remove one.")
    return table


def to_frame(table: pa.Table | pa.RecordBatch) -> pd.DataFrame:
    """Return a table as a frame: integers with missing cells become floats, or `Int64` where floats would damage them; bytes, which
    Parquet supports, become text, or else hexadecimal digits.
    """
    frame = table.to_pandas()
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if name in frame.columns and _damaged(column):
            kind = pd.UInt64Dtype() if pa.types.is_unsigned_integer(column.type) else pd.Int64Dtype()
            frame[name] = column.to_pandas(types_mapper={column.type: kind}.get).array
        elif name in frame.columns and any(is_type(column.type) for is_type in _BINARY):
            frame[name] = frame[name].map(_decode, na_action="ignore").astype("str")
    return frame


def _decode(cell: bytes) -> str:
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:  # a UUID, a geometry
        return cell.hex()


def _damaged(column: pa.Array | pa.ChunkedArray) -> bool:
    if not pa.types.is_integer(column.type) or not column.null_count:
        return False
    ends = pc.min_max(column).as_py()
    return ends["min"] is not None and max(-ends["min"], ends["max"]) > _EXACT


def spreadsheet_csv(frame: pd.DataFrame) -> bytes:
    r"""Return a table as CSV with a UTF-8 byte order mark: lists joined by semicolons, and an apostrophe before texts
    that a spreadsheet would run as formulas.

    >>> spreadsheet_csv(pd.DataFrame({"title": ["=A1"], "has": [["Wifi", "Sauna"]], "change": [-1.5]})).decode("utf-8-sig")
    "title,has,change\n'=A1,Wifi; Sauna,-1.5\n"
    """
    text: str = neutralized(frame).to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8-sig")


def neutralized(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with an apostrophe before texts that a spreadsheet would run as formulas, and lists joined."""
    safe = frame.rename(columns=_cell)
    for position, dtype in enumerate(safe.dtypes):
        if dtype.kind not in "biufcmM":  # text of Arrow or Python, and any other objects
            safe.isetitem(position, [_cell(value) for value in safe.iloc[:, position]])
    return safe


def _cell(value: Any) -> Any:
    text = "; ".join(map(str, value)) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(FORMULA) else text
