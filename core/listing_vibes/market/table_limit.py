"""A memory limit for tables: small files can hold tables of many gigabytes, so their size is estimated before reading."""

from __future__ import annotations

import gzip
import os
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError

#: Default limit in gigabytes, without the environment variable.
VARIABLE, DEFAULT_GB = "LISTING_VIBES_TABLE_GB", 8.0
#: Overhead of a cell in bytes, in addition to its text: as read, as text or number, and as validated.
CELL_BYTES = 32
#: The maximum compression ratio of gzip (zlib's documentation).
GZIP_RATIO = 1032
CHUNK = 2**20
#: Rows of a Parquet file that are measured at a time, with and without dictionaries.
ROWS, FEW_ROWS = 65_536, 1_024
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


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
                f"{VARIABLE} where there is more memory."
            )


def _count_parquet(path: Path, budget: TableBudget) -> None:
    """Take the content of a Parquet file: its size by the metadata, and that of repeated text by the dictionaries."""
    with pq.ParquetFile(path) as file:
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
    text = os.environ.get(VARIABLE, "")
    limits = [0.0]
    with suppress(ValueError):
        limits = [float(text or DEFAULT_GB) * 1e9]
    if not limits[0] > 0:
        raise VibesError(f"The environment variable {VARIABLE} is '{text}'; give gigabytes, such as 16.")
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
