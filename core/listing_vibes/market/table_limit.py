"""How much memory a table may take: small files can hold tables of many gigabytes, so their size is known before they are read."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow.parquet as pq

from listing_vibes.errors import VibesError

try:
    import resource
except ImportError:  # Windows: its processes have no such limits
    resource = None  # type: ignore[assignment]

#: Gigabytes that a table may take, where the variable does not say.
VARIABLE, DEFAULT_GB = "LISTING_VIBES_TABLE_GB", 8.0
#: Bytes that a cell takes beside its text: as it is read, as text or number, and as it is checked.
CELL_BYTES = 32
#: How often its own size a gzip file can hold (zlib's documentation).
GZIP_RATIO = 1032
CHUNK = 2**20
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def check_table_size(path: Path) -> None:
    """Check that a table can be read in the memory that it may take; of a Parquet file the metadata tell, a CSV is counted.

    Raises:
        VibesError: it cannot.
        OSError: the file cannot be read.
    """
    limit = _memory_limit()
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            metadata = file.metadata
        cells = metadata.num_rows * metadata.num_columns
        text = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    else:
        text, cells = _count_csv(path, limit)
    if text + CELL_BYTES * cells > limit:
        size = f"{cells:,} cells, {text / 1e9:,.1f} GB uncompressed"
        raise VibesError(
            f"{path} is too large for one table ({size}{'' if path.suffix == '.parquet' else ' or more'}): it would take more than the "
            f"{limit / 1e9:,.1f} GB of memory that a table may. Leave out rows or columns, or set {VARIABLE} where there is more memory."
        )


def _memory_limit() -> int:
    """Bytes: what the variable says, at most the memory that this process may use."""
    told = os.environ.get(VARIABLE, "")
    try:
        limit = float(told or DEFAULT_GB)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise VibesError(f"The environment variable {VARIABLE} is '{told}'; give gigabytes, such as 16.")
    limits = [limit * 1e9]
    for name in _CGROUPS:
        try:
            limits.append(float(Path(name).read_text()))
        except (OSError, ValueError):  # there is no such group, or it is "max"
            continue
    if resource is not None:
        limits += [
            float(one) for one in resource.getrlimit(resource.RLIMIT_AS) if one != resource.RLIM_INFINITY
        ]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    return int(min(limits))


def _count_csv(path: Path, limit: int) -> tuple[int, int]:
    """Return the bytes and about the cells of a CSV, or of as much of it as is too large; what cannot be is not counted."""
    is_gzip = path.suffix == ".gz"
    if path.stat().st_size * (GZIP_RATIO if is_gzip else 1) * (1 + CELL_BYTES) <= limit:
        return 0, 0
    text = cells = 0
    with gzip.open(path) if is_gzip else path.open("rb") as stream:
        while text + CELL_BYTES * cells <= limit and (part := stream.read(CHUNK)):
            text += len(part)
            cells += part.count(b",") + part.count(b"\n")
    return text, cells
