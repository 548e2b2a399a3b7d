"""The importer of a database, on SQLite and on a real PostgreSQL."""

import sqlite3
from decimal import Decimal
from uuid import uuid4

import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sqlalchemy import create_engine, text

import listing_vibes.market.database as module
from helpers.commands import vibes
from helpers.postgres import postgres
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.database import read_frames
from listing_vibes.market.importers import import_market
from listing_vibes.market.market import Market

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
