"""Reading tables that are no tables, and writing on disks that are full."""

import gzip
import itertools
import re
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.io import (
    check_table_name,
    find_table,
    read_table,
    table_columns,
    write_table,
)
from listing_vibes.market.market import Market

GOOD = "listing_id,price\na,1\nb,2\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"listing_id,price\na,caf\xe9\n", "is not UTF-8 text"),
        (b"", "is empty; export it again, with the names of its columns"),
        (b"listing_id,price\na,1\nb,2,3\n", "cannot be read as a table"),
        (b"listing_id,price\na,1,x\nb,2,y\n", "cannot be read as a table"),
        (b"listing_id,price,price\na,1,2\n", "has the column 'price' twice"),
        (b'listing_id,price\na,"1\n', "cannot be read as a table"),
    ],
    ids=[
        "latin-1",
        "empty",
        "one long row",
        "all rows too long",
        "column twice",
        "open quote",
    ],
)
def test_a_csv_that_is_none_is_one_sentence(tmp_path, content, says):
    path = tmp_path / "listings.csv"
    path.write_bytes(content)
    with pytest.raises(VibesError, match=says) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_csv_is_read_whatever_stands_between_its_columns(tmp_path, mark):
    path = tmp_path / "listings.csv"
    rows = [["listing_id", "price", "town"], ["a", '"1,5"', '"Ulm; Bonn"'], ["b", "2", '"a\tb"']]
    path.write_text("".join(mark.join(row) + "\n" for row in rows))
    table = read_table(path)
    assert table["town"].tolist() == ["Ulm; Bonn", "a\tb"] and table["price"].tolist() == ["1,5", "2"]
    assert table_columns(path) == rows[0]
    (tmp_path / "market.toml").write_text('[attributes.price]\ndecimal = ","\n')
    assert Market.open(tmp_path).listings["price"].tolist() == [1.5, 2]


@pytest.mark.parametrize("keep", [8, 40, 200])
def test_a_truncated_gzip_is_one_sentence(tmp_path, keep):
    path = tmp_path / "listings.csv.gz"
    rows = "".join(f"listing {row},{row * 7919 % 1000}\n" for row in range(2000))
    path.write_bytes(gzip.compress(("listing_id,price\n" + rows).encode())[:keep])
    with pytest.raises(VibesError, match="cannot be read as a table"):
        read_table(path)


def test_a_damaged_gzip_is_one_sentence(tmp_path):
    path = tmp_path / "listings.csv.gz"
    data = bytearray(gzip.compress(GOOD.encode() * 50))
    data[12:30] = b"\xff" * 18
    path.write_bytes(bytes(data))
    with pytest.raises(VibesError, match=r"listings\.csv\.gz"):
        read_table(path)


def test_a_damaged_parquet_is_one_sentence(tmp_path):
    path = tmp_path / "listings.parquet"
    pd.DataFrame({"listing_id": ["a", "b"]}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(VibesError, match=r"listings\.parquet"):
        read_table(path)


def test_csv_cells_are_text_and_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    path = tmp_path / "listings.csv"
    path.write_bytes(b"\xef\xbb\xbflisting_id,price\n007,\nNA,nan\n")
    table = read_table(path)
    assert list(table.columns) == ["listing_id", "price"]
    assert table["listing_id"].tolist() == ["007", "NA"]
    assert table["price"].isna().tolist() == [True, False]
    assert table_columns(path) == ["listing_id", "price"]


def test_dictionary_columns_of_a_parquet_come_back_as_their_values(tmp_path):
    path = tmp_path / "listings.parquet"
    pd.DataFrame({"town": pd.Categorical(["Ulm", "Bonn", "Ulm"])}).to_parquet(path)
    assert pd.api.types.is_string_dtype(read_table(path)["town"].dtype)
    assert table_columns(path) == ["town"]


def test_a_table_is_written_as_its_name_says(tmp_path):
    frame = pd.DataFrame({"user_id": ["a", "b"], "rank": [1, 2]})
    for name in ("q.csv", "q.parquet"):
        check_table_name(tmp_path / name, "--queries")
        write_table(tmp_path / name, frame)
        assert read_table(tmp_path / name).astype(str).equals(frame.astype(str))
    assert (tmp_path / "q.csv").read_text(encoding="utf-8-sig") == "user_id,rank\na,1\nb,2\n"
    check_table_name(None, "--queries")
    with pytest.raises(
        VibesError, match=r"Option --queries is 'q\.xlsx'; name a file that ends in \.parquet or \.csv"
    ):
        check_table_name(Path("q.xlsx"), "--queries")


@pytest.mark.parametrize("words", [("check", "nowhere", "--rejects"), ("demand", "nowhere", "--out")])
def test_a_name_that_is_of_no_table_is_refused_before_anything_is_read(words):
    assert (
        f"Option {words[-1]} is 'q.txt'; name a file that ends in .parquet"
        in vibes(*words, "q.txt", check=2).stderr
    )


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv", ".parquet"])
def test_a_table_is_found_under_each_suffix(tmp_path, suffix):
    assert find_table(tmp_path, "events") is None
    (tmp_path / f"events{suffix}").write_bytes(b"x")
    assert find_table(tmp_path, "events") == tmp_path / f"events{suffix}"


@pytest.mark.parametrize("other", ["listings.csv", "listings.csv.gz"])
def test_two_files_for_one_table_are_an_error_that_names_both(tiny_market, tmp_path, other):
    folder = tiny_market()
    pd.read_parquet(folder / "listings.parquet").to_csv(folder / other, index=False)
    with pytest.raises(VibesError, match=rf"listings\.parquet and {re.escape(other)} for one table; remove"):
        Market.open(folder)
    run = tmp_path / "run"
    for words in (["check", folder], ["train", folder, run], ["embed", folder, run]):
        assert f"listings.parquet and {other}" in vibes(*words, check=2).stderr
    assert not run.exists()


def test_a_failed_writer_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "market.toml"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError("killed")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("kind", ["text", "parquet"])
def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(tmp_path, kind):
    target = tmp_path / "listings.parquet"
    target.write_text("old")
    with (
        pytest.raises(VibesError, match=r"disk is full while writing .*listings\.parquet"),
        atomic_path(target) as path,
    ):
        path.unlink()
        path.symlink_to("/dev/full")  # the device on which every write fails with ENOSPC
        if kind == "text":
            path.write_text("new" * 10_000)
        else:
            pd.DataFrame({"a": range(10_000)}).to_parquet(path)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from listing_vibes.errors import VibesError
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.writer import write_market
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
table = pd.DataFrame({"listing_id": [f"l{n}" for n in range(50_000)], "x": np.random.default_rng(0).random(50_000)})
try:
    write_market(Path(sys.argv[1]), MarketConfig(name="new"), table)
except VibesError as error:
    sys.exit(f"sentence: {error}")
"""


@pytest.mark.slow
def test_a_disk_that_takes_no_more_leaves_the_whole_old_market(tiny_market):
    path = tiny_market()
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("sentence: Cannot write ")
    assert f"Cannot write {path}" in done.stderr
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(VibesError, match="Cannot write"), atomic_path(tmp_path / "file" / "market.toml"):
        pass


@pytest.mark.slow
def test_a_parquet_that_is_replaced_while_it_is_read_is_the_old_one_or_the_new_one(tmp_path):
    path, sizes, done = tmp_path / "events.parquet", (300, 40_000), threading.Event()
    contents = []
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


def test_columns_of_a_parquet_that_are_neither_text_nor_numbers_leave_the_others_readable(tmp_path):
    path = tmp_path / "listings.parquet"
    counts = pa.array([[("bath", 1)], [("bed", 2), ("bath", 1)]], pa.map_(pa.string(), pa.int64()))
    pq.write_table(pa.table({"listing_id": ["a", "b"], "counts": counts}), path)
    assert read_table(path)["listing_id"].tolist() == ["a", "b"]
    assert len(read_table(path)["counts"][1]) == 2
