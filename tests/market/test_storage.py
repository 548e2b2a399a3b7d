"""Tables on a storage by their address: fsspec's own memory, files of this machine, and a host of files."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.faults.dying import finish
from tests.market.download.hosting import picture

from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.market import storage
from listing_vibes.market.importers import import_market
from listing_vibes.market.market import Market
from listing_vibes.market.storage import Place, shown, storage_errors
from listing_vibes.market.table_limit import VARIABLE
from listing_vibes.serving.refresh.sources import FileSource

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def put(files, path, table):
    with files.open(path, "wb") as out:
        pq.write_table(
            table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False), out
        )


HOMES = pd.DataFrame({"listing_id": ["a", "b", "c"], "rooms": [1, 2, 3], "town": ["Ulm", "Bonn", "Ulm"]})
PHOTOS = b"listing_id,position,path\na,0, photos/a.jpg\nb,0,https://example.com/b.jpg\nc,0,../secret\n"
SECONDS = {"2024-05-01": pa.array([3], pa.int32()), "2024-05-02": pa.array([2.5], pa.float64())}


def write_shop(files, root):
    """Write listings as one file, photos as CSV, and events in parts by day, whose types differ."""
    contents = {"photos/a.jpg": picture(), "photos.csv": PHOTOS, "events/_SUCCESS.parquet": b"no table"}
    for name, content in (contents | {"market.toml": b'name = "From afar"\n'}).items():
        files.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
        files.pipe_file(f"{root}/{name}", content)
    put(files, f"{root}/listings.parquet", HOMES)
    for day, seconds in SECONDS.items():
        files.makedirs(f"{root}/events/day={day}", exist_ok=True)
        rows = pa.table({"user_id": ["u"], "listing_id": ["a"], "timestamp": [f"{day}T10:00:00"]})
        put(files, f"{root}/events/day={day}/part-0.parquet", rows.append_column("duration_s", seconds))


@pytest.mark.slow
def test_a_market_is_imported_from_a_storage_and_a_folder(memory, tmp_path):
    write_shop(memory, "/shop")
    assert "Wrote the market" in vibes("import", "tables", "memory://shop", tmp_path / "m").stderr
    market = Market.open(tmp_path / "m", now=pd.Timestamp("2025-01-01", tz="UTC"))
    assert market.name == "From afar" and market.listings["rooms"].tolist() == [1, 2, 3]
    assert market.events["duration_s"].tolist() == [3, 2.5]
    assert market.photos["listing_id"].tolist() == ["a", "b"]
    assert (market.path / "photos" / "a.jpg").read_bytes() == picture()
    write_shop(fsspec.filesystem("file"), str(tmp_path / "here"))
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "market.toml").write_text('name = "Mine"\n')  # stays
    names = {"events": "events/day=2024-05-0[12]/*.parquet", "photos": "memory://shop/photos.csv"}
    for path in (f"file://{tmp_path}/here", str(tmp_path / "here")):
        import_market("tables", path, tmp_path / "n", overwrite=True, **names)
        market = Market.open(tmp_path / "n")
        assert market.name == "Mine" and len(market.events) == 2


@pytest.mark.parametrize("source", ["tables", "sql"])
def test_what_a_killed_import_left_is_removed_by_the_next(tmp_path, source, monkeypatch):
    scratch, target = tmp_path / "scratch", tmp_path / "market"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    write_shop(fsspec.filesystem("file"), str(tmp_path / "shop"))
    address = str(tmp_path / "shop")
    if source == "sql":
        with sqlite3.connect(tmp_path / "shop.db") as database:
            database.execute("CREATE TABLE listings (listing_id, rooms)")
            database.execute("INSERT INTO listings VALUES (1, 2)")
        address = f"sqlite:///{tmp_path / 'shop.db'}"
    child = os.fork()
    if not child:
        pd.DataFrame.to_parquet = lambda *_, **__: os._exit(9)
        finish(lambda: import_market(source, address, target))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert list(target.glob(".writing-*")) and not list(scratch.iterdir())
    import_market(source, address, target)
    assert not [file.name for file in target.rglob("*") if file.name.startswith(".")]
    assert len(Market.open(target).listings)


@pytest.mark.parametrize(
    ("files", "names", "says"),
    [
        ({}, {}, "There is no memory://shop; check the address of PATH"),
        ({"other.parquet": HOMES}, {}, "holds no listings.parquet, listings.csv"),
        ({"listings.parquet": HOMES[["rooms"]]}, {}, r"memory://shop/listings.parquet lacks the column listing_id \(it has rooms\)"),
        ({"listings.parquet": HOMES[:0]}, {}, "has no rows"),
        ({"listings.parquet": b"PAR1 no table"}, {}, "listings.parquet cannot be read .* export it again"),
        ({"listings.parquet": HOMES, "events.parquet": HOMES}, {}, "events.parquet lacks the column user_id"),
        ({"listings.parquet": HOMES}, {"events": "clicks"}, "--events: there is no table memory://shop/clicks"),
        ({"listings.parquet": HOMES, "photos.parquet": HOMES}, {}, "lacks the column path or url"),
        ({"listings.parquet": HOMES, "photos.parquet": HOMES.assign(path="a.jpg")}, {}, "None of 1 photos exists .*--photo-root"),
        ({"listings/1.parquet": HOMES, "listings/2.parquet": HOMES[["rooms"]]}, {}, "lacks the column listing_id"),
    ],
)  # fmt: skip
def test_what_is_missing_or_odd_is_one_sentence_and_nothing_is_written(memory, tmp_path, files, names, says):
    for name, table in files.items():
        memory.pipe_file(f"/shop/{name}", table) if isinstance(table, bytes) else put(
            memory, f"/shop/{name}", table
        )
    with pytest.raises(VibesError, match=says) as caught:
        import_market("tables", "memory://shop", tmp_path / "m", **names)
    assert "\n" not in str(caught.value) and not (tmp_path / "m" / "listings.parquet").exists()


@pytest.mark.parametrize("protocol", ["nowhere", "s3"])
def test_a_protocol_that_cannot_be_opened_is_named_without_secrets(protocol, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(VibesError, match=f"'{protocol}://', which cannot be opened") as caught:
        Place.of(f"{protocol}://me:secret@bucket/shop?token=secret", "PATH")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError("Access Denied"), "s3://b cannot be read"), (FileNotFoundError(2, "secret"), "There is no s3://b; check the address of --out"),
        (type("ClientError", (Exception,), {})("No signature https://me:secret@s3/a?X-Amz-Signature=secret"), "s3://b cannot be read"),
    ],
)  # fmt: skip
def test_what_storages_raise_is_one_sentence_without_secrets(error, says):
    with pytest.raises(VibesError, match=says) as caught, storage_errors(Place(None, "b", "s3://b", "--out")):
        raise error
    assert "secret" not in str(caught.value) and shown("https://u:p@h/a?sig=1") == "https://h/a"
    assert storage.is_address("s3://b") and not storage.is_address("C://b")


def test_a_refresh_reads_what_is_new_on_a_storage_and_no_file_twice(memory):
    source = FileSource("memory://news", "--events")
    with pytest.raises(VibesError, match="There is no memory://news"):
        source.poll({})
    put(memory, "/news/a.parquet", HOMES)
    memory.pipe_file("/news/day=2/b.csv", b"listing_id,rooms\nd,4\n")
    memory.pipe_file("/news/_temporary/c.csv", b"listing_id\nx\n")
    memory.pipe_file("/news/bad.parquet", b"no table")
    found = source.poll({})
    assert [frame.name for frame in found.frames] == ["memory://news/a.parquet", "memory://news/day=2/b.csv"]
    assert found.frames[1].rows["rooms"].tolist() == ["4"] and len(found.problems) == 1
    assert (
        found.problems[0].startswith("memory://news/bad.parquet cannot be read")
        and "/tmp" not in found.problems[0]
    )
    marks = found.marks | {frame.key: frame.mark for frame in found.frames}
    memory.pipe_file("/news/bad.parquet", b"")
    assert not source.poll(marks).frames
    memory.pipe_file("/news/day=2/b.csv", b"listing_id,rooms\nd,4\ne,5\n")
    assert [len(frame.rows) for frame in source.poll(marks).frames] == [2]


@pytest.mark.slow
def test_lists_are_delivered_to_a_storage_and_never_over_others(memory, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("listing_vibes.serving.batch.job.CHUNK", 40)
    vibes("batch", trained.path, "memory://lists/today", "--k", 3)
    vibes("batch", trained.path, tmp_path / "here", "--k", 3)
    names = sorted(name.rpartition("/")[2] for name in memory.find("/lists/today"))
    assert names == sorted(path.name for path in (tmp_path / "here").iterdir())
    for path in (tmp_path / "here").glob("*.parquet"):
        assert memory.cat_file(f"/lists/today/{path.name}") == path.read_bytes()
    done = vibes("batch", trained.path, "memory://lists/today", "--k", 3, check=2)
    assert "memory://lists/today holds _job.json already" in done.stderr
    vibes("batch", trained.path, "memory://lists", "--kind", "listings", "--k", 3)  # subfolders do not matter
    assert memory.isfile("/lists/_job.json") and memory.isfile("/lists/today/_job.json")
    memory.rm_file("/lists/today/_job.json")  # as after an interruption
    monkeypatch.setattr("listing_vibes.serving.batch.job.CHUNK", 80)
    vibes("batch", trained.path, "memory://lists/today", "--k", 3)
    left = [name.rpartition("/")[2] for name in memory.find("/lists/today")]
    assert "_job.json" in left and len(left) < len(names)


def test_photos_that_one_long_path_makes_huge_are_refused(tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "listings.csv").write_text("listing_id,price\na,1\n")
    photos = pd.DataFrame({"listing_id": "a", "path": ["x" * 50_000] * 4_000})
    photos.to_parquet(tmp_path / "shop" / "photos.parquet", index=False)
    monkeypatch.setenv(VARIABLE, "0.1")
    with pytest.raises(VibesError, match="is too large for one table"):
        import_market("tables", tmp_path / "shop", tmp_path / "m")
    assert not (tmp_path / "m" / "photos.parquet").exists()
