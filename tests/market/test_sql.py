"""The importer of a database, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from decimal import Decimal
from uuid import uuid4

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sqlalchemy import create_engine, text
from tests.faults.dying import finish
from tests.market.download.hosting import picture

import listing_vibes.market.database as module
from helpers.commands import vibes
from helpers.postgres import postgres
from listing_vibes.errors import VibesError
from listing_vibes.market import storage
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.database import read_frames
from listing_vibes.market.importers import import_market
from listing_vibes.market.io import LIMIT_VARIABLE
from listing_vibes.market.market import Market
from listing_vibes.market.storage import StoragePath, shown, storage_errors
from listing_vibes.serving.refresh.polls import FileSource

CLICKS = "SELECT buyer AS user_id, listing_id, at AS timestamp FROM clicks WHERE at <> 'a:b';"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The URL of a database with three tables, read three rows at a time, and photos next to it."""
    monkeypatch.setattr(module, "CHUNK", 3)
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "pictures" / "a.jpg")
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.executescript(
            """
            CREATE TABLE listings (listing_id INTEGER, title TEXT, price REAL);
            CREATE TABLE photos (listing_id INTEGER, path TEXT);
            CREATE TABLE clicks (buyer TEXT, listing_id INTEGER, at TEXT);
            INSERT INTO photos VALUES (1, 'a.jpg'), (2, 'gone.jpg');
            """
        )
        homes = [(n, f"Home {n}", n * 10) for n in range(1, 8)]
        database.executemany("INSERT INTO listings VALUES (?, ?, ?)", homes)
        rows = [(f"u{n % 3}", 1 + n % 7, f"2024-03-{n + 1:02d} 10:00") for n in range(20)]
        database.executemany("INSERT INTO clicks VALUES (?, ?, ?)", rows)
    return f"sqlite:///{tmp_path / 'shop.db'}"


def test_tables_and_queries_become_a_market(shop, tmp_path):
    (tmp_path / "clicks.sql").write_text(CLICKS)
    folder, pictures = tmp_path / "market", tmp_path / "pictures"
    vibes("import", "sql", shop, folder, "--events", tmp_path / "clicks.sql", "--photo-root", pictures)
    market = Market.open(folder)
    assert market.listings[C.LISTING].tolist() == [str(n) for n in range(1, 8)]
    assert {item.name: item.kind for item in market.attributes}["price"] == "number"
    assert len(market.events) == 20 and market.timed and market.events[C.TIMESTAMP].min().day == 1
    assert (folder / "a.jpg").is_file() and len(market.photos) == 2 and not list(folder.glob(".writing-*"))
    (folder / "market.toml").write_text('name = "Ours" # stays\n')
    import_market("sql", shop, folder, overwrite=True, events=CLICKS, photo_root=pictures)
    assert (folder / "market.toml").read_text() == 'name = "Ours" # stays\n'


def test_late_types_and_large_ids_are_exact(shop, tmp_path):
    large, address = 10**16, f"sqlite:///{tmp_path / 'a.db'}"
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE listings (listing_id, size, few, seller_id BIGINT)")
        cells = [(1, None, 1, None), (2, None, 2, large + 1), (3, None, 1, None), (4, 2, 1.5, large + 3)]
        cells.append((5, 2.5, 4, None))
        database.executemany("INSERT INTO listings VALUES (?, ?, ?, ?)", cells)
        database.execute("CREATE TABLE events (user_id BIGINT, listing_id BIGINT, position INT)")
        database.executemany(
            "INSERT INTO events VALUES (?, ?, 1)", [(None, 1), (large + 1, 2), (large + 3, None)]
        )
    import_market("sql", address, tmp_path / "market")
    listings = pq.read_table(tmp_path / "market" / "listings.parquet")
    assert listings["size"].to_pylist() == [None, None, None, 2, 2.5] and listings["few"][3].as_py() == 1.5
    assert listings["seller_id"].to_pylist() == [None, large + 1, None, large + 3, None]
    events = pq.read_table(tmp_path / "market" / "events.parquet")
    assert events["listing_id"].to_pylist() == [1, 2, None] and events["user_id"].to_pylist()[1] == large + 1
    assert len(Market.open(tmp_path / "market").events) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"events": "SELECT * FROM clicks"}, "--events selects lacks the column user_id"),
        ({"events": "SELECT buyer AS user_id, listing_id FROM clicks"}, "lacks the column timestamp or position"),
        ({"events": "klicks"}, r"no table 'klicks' .* .clicks, listings, photos."), ({"listings": "SELECT * FROM nowhere"}, "no such table: nowhere"),
        ({"listings": "SELECT * FROM listings WHERE price > 1e9"}, "has no rows"),
        ({"listings": "gone.sql"}, "Cannot read --listings gone.sql"), ({"photo_root": "/nowhere"}, "None of 2 photos exists"),
    ],
)  # fmt: skip
def test_invalid_tables_and_queries_are_one_sentence(shop, tmp_path, options, says):
    with pytest.raises(VibesError, match=says):
        import_market("sql", shop, tmp_path / "market", **{"photo_root": tmp_path / "pictures", **options})
    assert not [path for path in (tmp_path / "market").rglob("*") if path.suffix in (".parquet", ".toml")]


def test_an_invalid_url_is_one_sentence_without_its_password(tmp_path):
    assert "not a database URL" in vibes("import", "sql", "shop", tmp_path / "market", check=2).stderr
    with pytest.raises(VibesError, match="There is no database"):
        import_market("sql", f"sqlite:///{tmp_path / 'nowhere.db'}", tmp_path / "market")
    with pytest.raises(VibesError, match=r"Connecting failed on .*me:\*\*\*@127") as error:
        import_market("sql", "postgresql+psycopg://me:secret@127.0.0.1:1/shop", tmp_path / "market")
    assert "secret" not in str(error.value) and not (tmp_path / "nowhere.db").exists()
    with pytest.raises(VibesError, match="hm has no option --events"):
        import_market("hm", tmp_path, tmp_path / "market", events="clicks")


@pytest.mark.slow
def test_a_market_of_postgresql_has_its_types_and_one_snapshot(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 500)
    with postgres() as address:
        database = create_engine(address)
        with database.begin() as connection:
            for line in (
                "CREATE SCHEMA shop",
                "CREATE TABLE shop.homes (id uuid, price numeric(10, 2), pets boolean, tags text[], added timestamptz, place point)",
                "CREATE TABLE events (id bigserial, user_id bigint, listing_id uuid, happened timestamptz, seconds numeric)",
            ):
                connection.execute(text(line))
            ids = [str(uuid4()) for _ in range(30)]
            homes = [{"id": item, "price": Decimal("99.50") + n} for n, item in enumerate(ids)]
            insert = "INSERT INTO shop.homes VALUES (:id, :price, true, ARRAY['sauna', 'wifi'], '2024-01-01 01:00+01', NULL)"
            connection.execute(text(insert), homes)
            connection.execute(
                text(
                    "INSERT INTO events (user_id, listing_id, happened, seconds) SELECT n % 40, h.id, "
                    "timestamptz '2024-02-01' + n * interval '1 minute', n % 90 FROM generate_series(1, 2000) n "
                    "JOIN (SELECT id, row_number() OVER () r FROM shop.homes) h ON h.r = 1 + n % 30"
                )
            )

        def frames(connection, statement, what):
            yield from read_frames(connection, statement, what)
            if "--listings" in what:  # rows that are added before the events are read
                with database.begin() as writing:
                    insert = "INSERT INTO events (user_id, listing_id, happened) SELECT 1, id, now() FROM shop.homes"
                    writing.execute(text(insert))

        monkeypatch.setattr("listing_vibes.market.importers.sql.read_frames", frames)
        import_market(
            "sql", address, tmp_path / "market",
            listings="SELECT id AS listing_id, price, pets, tags, added AS published_at FROM shop.homes",
            events="SELECT user_id, listing_id, happened AS timestamp, seconds AS duration_s FROM events ORDER BY id",
        )  # fmt: skip
        import_market(
            "sql", address, tmp_path / "other", listings="SELECT id AS listing_id, price FROM shop.homes",
            events="SELECT user_id, listing_id, happened AS timestamp FROM events",
        )  # fmt: skip
        with pytest.raises(VibesError, match=r"no table 'shop\.houses'"):
            import_market("sql", address, tmp_path / "third", listings="shop.houses")
        database.dispose()
    market = Market.open(tmp_path / "market")
    assert sorted(market.listings[C.LISTING]) == sorted(ids) and len(market.events) == 2000
    kinds = {item.name: item.kind for item in market.attributes}
    assert kinds == {"price": "number", "pets": "flag", "tags": "multi"}
    assert market.listings[C.PUBLISHED].dt.hour.unique().tolist() == [0]
    assert market.listings["price"].min() == pytest.approx(99.5) and market.events[C.DURATION].max() == 89
    assert len(pd.read_parquet(tmp_path / "other" / "events.parquet")) > 2000  # the next snapshot has them


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
        StoragePath.of(f"{protocol}://me:secret@bucket/shop?token=secret", "PATH")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError("Access Denied"), "s3://b cannot be read"), (FileNotFoundError(2, "secret"), "There is no s3://b; check the address of --out"),
        (type("ClientError", (Exception,), {})("No signature https://me:secret@s3/a?X-Amz-Signature=secret"), "s3://b cannot be read"),
    ],
)  # fmt: skip
def test_what_storages_raise_is_one_sentence_without_secrets(error, says):
    with (
        pytest.raises(VibesError, match=says) as caught,
        storage_errors(StoragePath(None, "b", "s3://b", "--out")),
    ):
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
    monkeypatch.setattr("listing_vibes.serving.batch.CHUNK", 40)
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
    monkeypatch.setattr("listing_vibes.serving.batch.CHUNK", 80)
    vibes("batch", trained.path, "memory://lists/today", "--k", 3)
    left = [name.rpartition("/")[2] for name in memory.find("/lists/today")]
    assert "_job.json" in left and len(left) < len(names)


def test_photos_that_one_long_path_makes_huge_are_refused(tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "listings.csv").write_text("listing_id,price\na,1\n")
    photos = pd.DataFrame({"listing_id": "a", "path": ["x" * 50_000] * 4_000})
    photos.to_parquet(tmp_path / "shop" / "photos.parquet", index=False)
    monkeypatch.setenv(LIMIT_VARIABLE, "0.1")
    with pytest.raises(VibesError, match="is too large for one table"):
        import_market("tables", tmp_path / "shop", tmp_path / "m")
    assert not (tmp_path / "m" / "photos.parquet").exists()
