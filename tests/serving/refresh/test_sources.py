"""Sources of new rows: folders that grow while they are read, and queries."""

import os
import time

import pytest
from sqlalchemy import create_engine, text

from listing_vibes.errors import VibesError
from listing_vibes.serving.refresh.refresher import seconds_of
from listing_vibes.serving.refresh.sources import FileSource, SqlSource, source_of


def poll(source, marks):
    """The first cells of what a poll gives, and the marks after all of it was taken in."""
    found = source.poll(marks)
    rows = [list(frame.rows.iloc[:, 0]) for frame in found.frames]
    return [row for part in rows for row in part], found.marks | {one.key: one.mark for one in found.frames}


def test_a_file_is_read_once_and_in_full_again_when_it_grew(tmp_path):
    source, path = FileSource(tmp_path), tmp_path / "day=1" / "a.csv"
    path.parent.mkdir()
    path.write_text("user_id,listing_id\nu1,l1\n")
    rows, marks = poll(source, {})
    assert rows == ["u1"] and poll(source, marks) == ([], marks)
    with path.open("a") as stream:
        stream.write("u2,l2\n")
    rows, marks = poll(source, marks)
    assert rows == ["u1", "u2"]
    path.unlink()
    assert poll(source, marks) == ([], {})


def test_a_csv_that_is_being_written_is_read_once_it_is_finished(tmp_path):
    source, path = FileSource(tmp_path), tmp_path / "a.csv"
    path.write_text("user_id,listing_id\nu1,l1\nu2,home-12")  # of home-123
    found = source.poll({})
    assert not found.frames and len(found.problems) == 1
    with path.open("a") as stream:
        stream.write("3\n")
    assert source.poll({}).frames[0].rows["listing_id"].tolist() == ["l1", "home-123"]
    path.write_text("user_id,listing_id\nu1,l1")
    os.utime(path, (time.time() - 60,) * 2)  # nobody has written to it for a minute
    assert poll(source, {})[0] == ["u1"]


def test_what_is_not_ready_is_passed_over_and_what_cannot_be_read_is_said(tmp_path):
    for name in (".a.csv", "_b.csv", "c.csv.part", "d.txt", "_tmp/e.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("user_id\nu\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "half.parquet").write_bytes(b"PAR1")
    found = FileSource(tmp_path).poll({})
    assert not found.frames and len(found.problems) == 1
    with pytest.raises(VibesError):
        FileSource(tmp_path / "nowhere").poll({})


def test_files_come_in_the_order_in_which_they_were_written(tmp_path):
    for age, name in enumerate("bca"):
        (tmp_path / f"{name}.csv").write_text(f"user_id\n{name}\n")
        os.utime(tmp_path / f"{name}.csv", (time.time() - age,) * 2)
    assert poll(FileSource(tmp_path), {})[0] == ["a", "c", "b"]


@pytest.fixture
def shop(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE events (user_id TEXT, id INTEGER, listing_id TEXT)"))
    return engine


def put(engine, *ids):
    rows = [{"u": f"u{number}", "i": number} for number in ids]
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO events VALUES (:u, :i, 'l')"), rows)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT user_id FROM events",
        "-- new events\n/* of\nall users */\nSELECT user_id FROM events -- the newest last",
        "SELECT user_id FROM events;\n-- that is all;\n\n",
        "WITH a AS (SELECT user_id FROM events WHERE listing_id <> '--') SELECT * FROM a",
    ],
)
def test_a_query_is_read_where_it_gives_other_rows(shop, tmp_path, query):
    put(shop, 1)
    (tmp_path / "q.sql").write_text(query)
    source = source_of("events", str(tmp_path / "q.sql"), str(shop.url))
    rows, marks = poll(source, {})
    assert rows == ["u1"] and not source.poll(marks).frames
    put(shop, 2)
    assert poll(source, marks)[0] == ["u1", "u2"]


def test_a_missing_user_of_a_query_leaves_large_ids_as_they_are(shop):
    with shop.begin() as connection:
        connection.execute(text("CREATE TABLE clicks (user_id INTEGER)"))
        connection.execute(text("INSERT INTO clicks VALUES (9007199254740993), (NULL)"))
    assert poll(SqlSource(str(shop.url), "SELECT * FROM clicks", "events"), {})[0] == [2**53 + 1, None]


def test_what_is_wrong_with_a_source_is_said_without_a_password(shop, tmp_path):
    with pytest.raises(VibesError, match="no such table: nowhere"):
        SqlSource(str(shop.url), "SELECT * FROM nowhere", "events").poll({})
    address = "postgresql+psycopg://me:secret@127.0.0.1:1/shop"
    with pytest.raises(VibesError, match=r"me:\*\*\*@127") as error:
        SqlSource(address, "SELECT 1 AS listing_id", "listings").poll({})
    assert "secret" not in str(error.value)
    for given in (
        ("events", "SELECT 1", None),
        ("events", str(tmp_path / "nowhere"), None),
        ("events", str(tmp_path / "a.sql"), None),
        ("events", "SELECT 1", "nonsense"),
    ):
        with pytest.raises(VibesError):
            source_of(*given)


def test_times():
    assert [seconds_of(time) for time in ("30", "30s", "10m", "1.5h", "1d")] == [30, 30, 600, 5400, 86400]
    for time_text in ("", "ten", "0", "10y", "-5m"):
        with pytest.raises(VibesError, match="--every"):
            seconds_of(time_text)
