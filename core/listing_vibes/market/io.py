"""Read tables within a memory limit, and write them atomically.

Small files can hold tables of many gigabytes, so their size is estimated before reading.
"""

import bz2
import csv
import gzip
import lzma
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path, inside

#: Above this, not every integer is a float; pandas converts integer columns with missing cells to floats.
_EXACT = 2**53
_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
TABLES = ("listings", "photos", "events")
#: The first characters of a text that a spreadsheet would run as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
TABLE_SUFFIXES = (".parquet", ".csv", ".csv.gz")
#: Functions that open compressed text.
OPENERS: Mapping[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
#: Default limit in gigabytes, without the environment variable.
LIMIT_VARIABLE, DEFAULT_GB = "LISTING_VIBES_TABLE_GB", 8.0
#: Overhead of a cell in bytes, in addition to its text: as read, as text or number, and as validated.
CELL_BYTES = 32
#: The maximum compression ratio of gzip (zlib's documentation).
GZIP_RATIO = 1032
CHUNK = 2**20
#: The most columns of a table; each is inferred and validated.
MOST_COLUMNS = 5_000
#: Rows of a Parquet file that are measured at a time, with and without dictionaries.
ROWS, FEW_ROWS = 65_536, 1_024
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def table_files(folder: Path, name: str) -> list[Path]:
    """Return the files of table `name` in `folder`, of which a market has at most one."""
    paths = (folder / f"{name}{suffix}" for suffix in TABLE_SUFFIXES)
    return [path for path in paths if path.is_file()]


def find_table(folder: Path, name: str) -> Path | None:
    """Return the file of table `name` in `folder`, None where there is none.

    Raises:
        VibesError: there are several files for the table, or it is a link that leaves the folder.
    """
    files = table_files(folder, name)
    if len(files) > 1:
        names = " and ".join(path.name for path in files)
        raise VibesError(f"{folder} has {names} for one table; remove the one that is out of date.")
    return inside(folder, files[0]) if files else None


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
        if isinstance(error, pd.errors.ParserWarning):
            reason = "its first line has fewer names than its rows have cells; remove what stands above the names of the columns"
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


def _check_columns(path: Path, columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise VibesError(
            f"{path} has {columns:,} columns, more than {MOST_COLUMNS:,}; leave out those that are no attribute."
        )


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
    open_text: Any = OPENERS.get(path.suffix.lower(), open)
    with open_text(path, "rt", encoding="utf-8-sig", newline="") as stream:
        line = stream.readline()
        while line.count('"') % 2 and (more := stream.readline()):  # a quoted line break
            line += more
    names = next(csv.reader([line]), [])
    mark = next((mark for mark in (";", "\t") if len(names) == 1 and mark in line), ",")
    return next(csv.reader([line], delimiter=mark), []), mark


def _read_csv(path: Path, rows: int | None = None) -> pd.DataFrame:
    names, mark = csv_header(path)
    _check_columns(path, len(names))
    with warnings.catch_warnings():
        # pandas would drop cells beyond the header with only a warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(
            path, dtype="str", keep_default_na=False, na_values=[""], index_col=False, sep=mark, nrows=rows
        )
    # pandas renames a repeated column to `name.1`; only the author of the file knows which one is right.
    repeated = [name for name, times in Counter(names).items() if name and times > 1]
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
        elif name in frame.columns and any(is_type(_value_type(column)) for is_type in _BINARY):
            frame[name] = frame[name].astype(object).map(_decode, na_action="ignore").astype("str")
    return frame


def _decode(cell: bytes) -> str:
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:  # a UUID, a geometry
        return cell.hex()


def _value_type(column: pa.Array | pa.ChunkedArray) -> pa.DataType:
    """Return the type of the values of a column, also of one that is encoded by a dictionary."""
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


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


def check_table_size(path: Path) -> None:
    """Check that a table fits the memory limit; Parquet pages state their size, a CSV is counted.

    Raises:
        VibesError: it exceeds the limit.
        OSError: the file cannot be read.
    """
    count = _count_parquet if path.suffix == ".parquet" else _count_csv
    count(path, TableBudget(path))


class TableBudget:
    """A memory budget of one table, from which its parts are taken.

    Args:
        shown: the table's name in messages.
    """

    def __init__(self, shown: object) -> None:
        self._shown, self._limit, self._text, self._cells = shown, _memory_limit(), 0, 0

    @property
    def left(self) -> int:
        """The remaining bytes."""
        return self._limit - self._text - CELL_BYTES * self._cells

    def take(self, text: int, cells: int = 0) -> None:
        """Take bytes of text and cells from the budget.

        Raises:
            VibesError: the table exceeds the limit.
        """
        self._text, self._cells = self._text + text, self._cells + cells
        if self.left < 0:
            raise VibesError(
                f"{self._shown} is too large for one table ({self._cells:,} cells, {self._text / 1e9:,.1f} GB uncompressed or more): it "
                f"would take more than the {self._limit / 1e9:,.1f} GB of memory that a table may. Leave out rows or columns, or set "
                f"{LIMIT_VARIABLE} where there is more memory."
            )


def _count_parquet(path: Path, budget: TableBudget) -> None:
    """Take the content of a Parquet file: its size by the metadata, and that of repeated text by the dictionaries."""
    with pq.ParquetFile(path) as file:
        _check_columns(path, file.metadata.num_columns)
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        table_budget = TableBudget(path)
        for number, group in enumerate(groups):
            table_budget.take(group.total_byte_size)
            # Damaged metadata of columns crashes the process in `column` below; reading the first row raises OSError instead.
            next(file.iter_batches(1, row_groups=[number]), None)
        chunks = [group.column(number) for group in groups for number in range(file.metadata.num_columns)]
    longest: dict[str, int] = {}  # upper bound of the bytes of a text in each column
    for chunk in chunks:
        budget.take(chunk.total_uncompressed_size, chunk.num_values)
        if chunk.physical_type == "BYTE_ARRAY":
            most = chunk.num_values * chunk.total_uncompressed_size
            longest[chunk.path_in_schema] = longest.get(chunk.path_in_schema, 0) + most
    # Delta-encoded texts have no dictionaries.
    apart = {chunk.path_in_schema for chunk in chunks if "DELTA_BYTE_ARRAY" in chunk.encodings}
    for name in [name for name, most in longest.items() if most > budget.left]:
        with pq.ParquetFile(path, read_dictionary=[] if name in apart else [name]) as file:
            for batch in file.iter_batches(FEW_ROWS if name in apart else ROWS, columns=[name]):
                budget.take(sum(map(_text_bytes, batch.columns)))


def _text_bytes(column: pa.Array) -> int:
    """Return the bytes of a column's text; for a dictionary, those in addition to it."""
    while pa.types.is_nested(column.type):
        if pa.types.is_struct(column.type):
            return sum(map(_text_bytes, column.flatten()))
        column = column.flatten()
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary)
    total = pc.sum(lengths.take(column.indices).cast(pa.int64())).as_py() or 0
    return max(0, total - (pc.sum(lengths).as_py() or 0))


def _memory_limit() -> int:
    """Return the limit in bytes: that of the environment variable, at most the memory that this process may use."""
    text = os.environ.get(LIMIT_VARIABLE, "")
    limits = [0.0]
    with suppress(ValueError):
        limits = [float(text or DEFAULT_GB) * 1e9]
    if not limits[0] > 0:
        raise VibesError(
            f"The environment variable {LIMIT_VARIABLE} is '{text}'; give gigabytes, such as 16."
        )
    for name in _CGROUPS:
        with suppress(OSError, ValueError):  # there is no such control group, or it is "max"
            limits.append(float(Path(name).read_text()))
    with suppress(ImportError, AttributeError, ValueError):  # on Windows, and on systems without this value
        import resource

        limits += [
            float(item) for item in resource.getrlimit(resource.RLIMIT_AS) if item != resource.RLIM_INFINITY
        ]
        limits.append(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    return int(min(limits))


def _count_csv(path: Path, budget: TableBudget) -> None:
    """Take the bytes and the estimated cells of a CSV, unless it is too small to exceed the limit."""
    is_gzip = path.suffix == ".gz"
    if path.stat().st_size * (GZIP_RATIO if is_gzip else 1) * (1 + CELL_BYTES) <= budget.left:
        return
    with gzip.open(path) if is_gzip else path.open("rb") as stream:
        while part := stream.read(CHUNK):
            budget.take(len(part), part.count(b",") + part.count(b"\n"))
