"""Small files that hold tables of many gigabytes are refused before they are read."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market import table_limit
from listing_vibes.market.io import read_table

OPENS = r"""
import re, resource, sys
from pathlib import Path
from listing_vibes.errors import VibesError
from listing_vibes.market.market import Market
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
try:
    Market.open(Path(sys.argv[1]))
except VibesError as error:
    print(error)
# The peak of this program alone: that of `getrusage` begins with its parent's.
print(int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def write_parquet(folder: Path, millions: int) -> Path:
    """Write a table of few bytes and many rows."""
    part = pa.table(
        {name: pa.array(np.zeros(1_000_000, np.int32)) for name in ("listing_id", "price", "beds")}
    )
    with pq.ParquetWriter(folder / "listings.parquet", part.schema) as writer:
        for _ in range(millions):
            writer.write_table(part)
    return folder / "listings.parquet"


def write_repeated(folder: Path, encoding: str = "PLAIN") -> Path:
    """Write a table whose cells all hold one long text."""
    ids, long = [str(row) for row in range(1000)], "x" * 200_000
    tables = {
        "PLAIN": pa.table({"listing_id": ids, "description": [long] * 1000}),
        "LIST": pa.table({"listing_id": ids, "tags": [[long]] * 1000}),
    }
    table = tables.get(encoding, tables["PLAIN"])
    options = {"use_dictionary": False, "column_encoding": encoding} if encoding == "DELTA_BYTE_ARRAY" else {}
    pq.write_table(table, folder / "listings.parquet", **options)
    return folder / "listings.parquet"


def write_gzip(folder: Path, millions: int) -> Path:
    with gzip.open(folder / "listings.csv.gz", "wb", compresslevel=1) as stream:
        stream.write(b"listing_id,price\n")
        for _ in range(millions):
            stream.write(b"1,2\n" * 1_000_000)
    return folder / "listings.csv.gz"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak")
@pytest.mark.parametrize("write", [write_parquet, write_gzip])
def test_a_small_file_of_a_huge_table_is_refused_in_little_memory(tmp_path, write):
    assert write(tmp_path, 100).stat().st_size < 6e6
    done = subprocess.run(
        [sys.executable, "-c", OPENS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    sentence, peak = done.stdout.splitlines()
    assert "is too large for one table" in sentence and table_limit.VARIABLE in sentence
    assert int(peak) < 500  # MB


@pytest.mark.parametrize("encoding", ["PLAIN", "LIST", "DELTA_BYTE_ARRAY"])
def test_a_text_that_recurs_counts_as_often_as_it_does(tmp_path, monkeypatch, encoding):
    path = write_repeated(tmp_path, encoding)
    assert path.stat().st_size < 1e5
    monkeypatch.setenv(table_limit.VARIABLE, "0.25")
    assert len(read_table(path)) == 1000
    monkeypatch.setenv(table_limit.VARIABLE, "0.15")
    with pytest.raises(VibesError, match="is too large for one table"):
        read_table(path)


@pytest.mark.parametrize("write", [write_parquet, write_gzip])
def test_the_variable_says_how_much_a_table_may_take(tmp_path, monkeypatch, write):
    path = write(tmp_path, 1)
    assert len(read_table(path)) == 1_000_000
    for value, says in (("0.05", "is too large for one table"), ("much", "is 'much'; give gigabytes")):
        monkeypatch.setenv(table_limit.VARIABLE, value)
        with pytest.raises(VibesError, match=says):
            read_table(path)
