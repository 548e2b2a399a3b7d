"""Sources of new rows: folders that grow while they are read, and queries."""

import json
import os
import time
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import create_engine, text

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path
from listing_vibes.serving.refresh.files import FileSource
from listing_vibes.serving.refresh.loop import seconds_of, source_of
from listing_vibes.serving.refresh.sources import advanced
from listing_vibes.serving.refresh.sql import OVERLAP, SqlSource, _loaded, _stored


def look(source, state):
    """The rows of a look, and the state after all of them were taken in."""
    news = source.look(state)
    rows = [list(frame.rows.iloc[:, 0]) for frame in news.frames]
    return [row for part in rows for row in part], advanced(news.state, [frame.mark for frame in news.frames])


def test_a_file_is_read_once_and_again_whole_when_it_grew(tmp_path):
    source, path = FileSource(tmp_path), tmp_path / "day=1" / "a.csv"
    path.parent.mkdir()
    path.write_text("user_id,listing_id\nu1,l1\n")
    rows, state = look(source, {})
    assert rows == ["u1"]
    assert look(source, state) == ([], state)
    with path.open("a") as stream:
        stream.write("u2,l2\n")
    rows, state = look(source, state)
    assert rows == ["u1", "u2"]
    path.unlink()
    rows, state = look(source, state)
    assert not rows and not state["files"]


def test_a_log_is_read_on_from_where_it_was_and_one_in_its_place_from_its_beginning(tmp_path):
    source, path = FileSource(tmp_path), tmp_path / "a.jsonl"
    lines = [json.dumps({"user_id": f"u{number}", "listing_id": "l1"}) + "\n" for number in range(6)]
    path.write_text("".join(lines[:4]))
    rows, state = look(source, {})
    assert rows == ["u0", "u1", "u2", "u3"] and look(source, state) == ([], state)
    with path.open("a") as stream:
        stream.write(lines[4])
    rows, state = look(source, state)
    assert rows == ["u4"]
    # The first two users were forgotten, and somebody else came, before the next look.
    with atomic_path(path) as temporary:
        temporary.write_text("".join(lines[2:] + [lines[5]] * 3))
    assert look(source, state)[0] == ["u2", "u3", "u4", *["u5"] * 4]


def test_the_last_line_of_a_file_that_is_being_written_is_left_until_it_is_whole(tmp_path):
    source, path = FileSource(tmp_path), tmp_path / "a.csv"
    path.write_text("user_id,listing_id\nu1,l1\nu2,home-12")  # of home-123
    rows, state = look(source, {})
    assert rows == ["u1"]
    with path.open("a") as stream:
        stream.write("3\n")
    rows, state = look(source, state)
    assert rows == ["u1", "u2"]
    path.write_text("user_id,listing_id\nu1,l1")
    os.utime(path, (time.time() - 60,) * 2)  # nobody has written to it for a minute
    assert look(source, state)[0] == ["u1"]


def test_a_file_that_cannot_be_read_is_called_by_its_own_name_while_it_is_written(tmp_path):
    (tmp_path / "a.csv").write_bytes("listing_id,town\na,Köln\nb,Ul".encode("latin-1"))
    (problem,) = FileSource(tmp_path).look({}).problems
    assert problem.startswith(f"{tmp_path / 'a.csv'} is not UTF-8 text")


def test_what_is_not_ready_is_passed_over_or_told(tmp_path):
    for name in (".a.csv", "_b.csv", "c.csv.part", "d.txt", "_tmp/e.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("user_id\nu\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "half.parquet").write_bytes(b"PAR1")
    news = FileSource(tmp_path).look({})
    assert not news.frames and len(news.problems) == 1 and "half.parquet" in news.problems[0]
    with pytest.raises(VibesError, match="There is no"):
        FileSource(tmp_path / "nowhere").look({})


def test_files_come_in_the_order_in_which_they_were_written(tmp_path):
    for age, name in enumerate("bca"):
        (tmp_path / f"{name}.csv").write_text(f"user_id\n{name}\n")
        os.utime(tmp_path / f"{name}.csv", (time.time() - age,) * 2)
    assert look(FileSource(tmp_path), {})[0] == ["a", "c", "b"]


@pytest.fixture
def shop(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE events (user_id TEXT, id INTEGER, listing_id TEXT)"))
    return engine


def put(engine, *ids):
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO events VALUES (:u, :i, 'l')"),
            [{"u": f"u{number}", "i": number} for number in ids],
        )


def test_a_query_goes_on_from_its_cursor_and_sees_what_became_visible_late(shop, monkeypatch):
    query = "SELECT user_id, listing_id, id AS cursor FROM events WHERE listing_id <> 'a:b';"
    source = SqlSource(str(shop.url), query, "events")
    assert look(source, {})[0] == []
    put(shop, *range(10))
    rows, state = look(source, {})
    assert rows == [f"u{n}" for n in range(10)]
    monkeypatch.setattr("listing_vibes.serving.refresh.sql.OVERLAP", 3)
    rows, state = look(source, state)
    assert state["since"] == 7 and len(rows) == 10
    put(shop, 20, 22)
    rows, state = look(source, state)
    assert rows == ["u7", "u8", "u9", "u20", "u22"]
    put(shop, 21)  # its transaction took longer
    assert look(source, state)[0] == ["u9", "u20", "u21", "u22"]
    assert OVERLAP > 1000


@pytest.mark.parametrize(
    ("value", "kept", "back"),
    [
        (datetime(2024, 5, 1, 12, tzinfo=UTC), {"moment": "2024-05-01T12:00:00+00:00"}, None),
        (date(2024, 5, 1), {"day": "2024-05-01"}, None),
        (Decimal("12"), 12, 12),
        (7.0, 7, 7),
        ("b", "b", None),
    ],
)
def test_a_cursor_is_what_databases_give(value, kept, back):
    """Days of DATE, and whole numbers of NUMERIC, which drivers give as Decimal."""
    assert _stored(value) == kept and type(_stored(value)) is type(kept)
    assert _loaded(kept) == (value if back is None else back)


def test_a_cursor_that_is_none_is_told_at_the_first_look(shop):
    put(shop, 1, 2)
    query = "SELECT user_id, id + 0.5 AS cursor FROM events"
    with pytest.raises(VibesError, match=r"'cursor' of the query holds .*2.5.*; select a whole number"):
        SqlSource(str(shop.url), query, "events").look({})


def test_a_query_without_a_cursor_is_read_whole(shop):
    source = SqlSource(str(shop.url), "SELECT user_id FROM events", "events")
    put(shop, 1)
    _, state = look(source, {})
    assert look(source, state)[0] == ["u1"]


def test_a_missing_user_of_a_query_leaves_large_ids_as_they_are(shop):
    with shop.begin() as connection:
        connection.execute(text("CREATE TABLE clicks (user_id INTEGER)"))
        connection.execute(text("INSERT INTO clicks VALUES (9007199254740993), (NULL)"))
    assert look(SqlSource(str(shop.url), "SELECT * FROM clicks", "events"), {})[0] == [2**53 + 1, None]


def test_what_is_wrong_with_a_source_is_told_without_a_password(shop, tmp_path):
    with pytest.raises(VibesError, match="no such table: nowhere"):
        SqlSource(str(shop.url), "SELECT * FROM nowhere", "events").look({})
    address = "postgresql+psycopg://me:secret@127.0.0.1:1/shop"
    with pytest.raises(VibesError, match=r"me:\*\*\*@127") as error:
        SqlSource(address, "SELECT 1 AS listing_id", "listings").look({})
    assert "secret" not in str(error.value)
    for told, message in (
        (("events", "SELECT 1", None), "--database"),
        (("events", str(tmp_path / "nowhere"), None), "neither a folder nor a query"),
        (("events", str(tmp_path / "a.sql"), None), "Cannot read"),
        (("events", "SELECT 1", "nonsense"), "none that SQLAlchemy knows"),
    ):
        with pytest.raises(VibesError, match=message):
            source_of(*told)
    (tmp_path / "q.sql").write_text("WITH a AS (SELECT 5 AS n) SELECT n FROM a")
    assert look(source_of("listings", str(tmp_path / "q.sql"), str(shop.url)), {})[0] == [5]


@pytest.mark.parametrize(
    "query",
    [
        "-- new events\n/* of\nall users */\nSELECT user_id FROM events -- the newest last",
        "SELECT user_id FROM events;\n-- that is all;\n\n",
        "SELECT user_id FROM events WHERE listing_id <> '--'",
    ],
)
def test_a_file_with_a_query_may_have_comments(shop, tmp_path, query):
    put(shop, 1)
    (tmp_path / "q.sql").write_text(query)
    source = source_of("events", str(tmp_path / "q.sql"), str(shop.url))
    assert look(source, {})[0] == ["u1"]


def test_times():
    assert [seconds_of(told) for told in ("30", "30s", "10m", "1.5h", "1d")] == [30, 30, 600, 5400, 86400]
    for told in ("", "ten", "0", "10y", "-5m"):
        with pytest.raises(VibesError, match="--every"):
            seconds_of(told)
