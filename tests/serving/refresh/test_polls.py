"""Sources of new rows: folders that grow while they are read, queries, a real PostgreSQL, and `vibes refresh` over them."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from helpers.commands import vibes
from helpers.copies import copied
from helpers.newcomers import new_events, new_listings
from helpers.postgres import postgres
from helpers.waiting import PATIENCE_S
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run
from listing_vibes.serving.refresh.polls import FileSource, SqlSource, source_of
from listing_vibes.serving.refresh.refresher import Refresher, seconds_of


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


def test_a_linked_file_is_read_again_when_its_target_changed_but_not_its_size(tmp_path):
    (folder := tmp_path / "new").mkdir()
    (target := tmp_path / "today.csv").write_text("user_id,listing_id\nu1,l1\n")
    (folder / "a.csv").symlink_to(target)
    source = FileSource(folder)
    rows, marks = poll(source, {})
    target.write_text("user_id,listing_id\nu2,l1\n")
    os.utime(target, (time.time() - 60,) * 2)
    assert rows == ["u1"] and poll(source, marks)[0] == ["u2"]


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
    (tmp_path / "events-20250101-0a.jsonl").write_text('{"user_id": "u"}\n')
    found = FileSource(tmp_path).poll({})
    assert (
        not found.frames and len(found.problems) == 2 and ".jsonl is a journal of 0.1.0" in found.problems[1]
    )
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


@pytest.mark.slow
def test_it_polls_until_it_is_stopped(bare, tmp_path):
    (tmp_path / "listings").mkdir()
    command = [sys.executable, "-m", "listing_vibes", "refresh", str(bare.path), "--every", "0.2s", "--json"]
    command += ["--listings", str(tmp_path / "listings")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        first = json.loads(process.stdout.readline())
        assert not first["published"] and first["version"] == 0
        new_listings(bare.market, 3).to_csv(tmp_path / "listings" / "a.csv", index=False)
        while not (result := json.loads(process.stdout.readline())).get("new"):
            assert "error" not in result, result
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == ""
    assert not list((bare.path / "versions").glob(".building*"))
    assert len(Run.open(bare.path).listing_ids) == len(bare.listing_ids) + 3


def test_once_it_says_in_one_line_what_it_did_and_which_files_it_wrote(tiny_market, tmp_path):
    market, new = tiny_market(photos=0), tmp_path / "new"
    events = pd.read_parquet(market / "events.parquet")
    events.to_csv(market / "events.csv", index=False)
    (market / "events.parquet").unlink()
    embed_market(Market.open(market), tmp_path / "run", None)
    new.mkdir()
    events.iloc[:1].assign(user_id="new").to_csv(new / "a.csv", index=False)
    (line,) = vibes("refresh", tmp_path / "run", "--events", new).stderr.splitlines()
    assert "version 1: 1 event of 1 user" in line and str(market / "events.parquet") in line
    assert not (market / "events.csv").exists()
    assert json.loads(vibes("refresh", tmp_path / "run", "--events", new, "--json").stdout)["wrote"] == []


def test_a_file_that_cannot_be_read_is_a_problem_and_all_others_are_merged(tiny_market, tmp_path):
    market, new = tiny_market(photos=0), tmp_path / "new"
    row = pd.read_parquet(market / "events.parquet").iloc[:1]
    embed_market(Market.open(market), tmp_path / "run", None)
    new.mkdir()

    def refresh() -> tuple[dict, str]:
        done = vibes("refresh", tmp_path / "run", "--events", new, "--json", check=2)
        return json.loads(done.stdout), done.stderr

    (new / "a.csv").write_text("id\n1\n")
    (new / "b.parquet").write_bytes(b"half")
    row.assign(user_id="new").to_csv(new / "c.csv", index=False)
    result, error = refresh()
    assert result["events"] == 1 and len(result["problems"]) == 2 and "b.parquet" in error
    row.assign(user_id="newer").to_parquet(new / "b.parquet")  # complete by now
    result, error = refresh()
    assert result["events"] == 1 and len(result["problems"]) == 1 and "a.csv" in error


@pytest.fixture
def invalid_rows(bare, tmp_path) -> Run:
    """A run whose market has events, and folders with rows of which several cannot be used."""
    folder = tmp_path / "invalid_rows"
    folder.mkdir()
    run = copied(bare, folder)
    for name in ("events", "listings"):
        (folder / name).mkdir()
    ids = run.market.listings[C.LISTING]
    listings = run.market.listings.iloc[:2].assign(**{C.LISTING: ["new-1", "new-2"], "amenities": "Wifi"})
    listings.assign(price=["\x1b[2Jabc", "70"]).to_csv(folder / "listings" / "new.csv", index=False)
    times = ["2024-02-01", "yesterday", "2024-02-02", None, "2024-02-03"]
    events = pd.DataFrame(
        {C.USER: ["a", "b", None, "c", "d"], C.LISTING: ids[:5], C.TIMESTAMP: times, "device": "tv"}
    )
    events.to_csv(folder / "events" / "new.csv", index=False)
    return run


@pytest.mark.slow
def test_rejected_rows_are_named_as_check_names_them(invalid_rows, tmp_path):
    folder = invalid_rows.path.parent
    command = ["refresh", invalid_rows.path, "--events", folder / "events", "--listings", folder / "listings"]
    result = json.loads(vibes(*command, "--json").stdout)
    assert (result["events"], result["new"], result["rejected"], result["unread"]) == (2, 2, 4, 0)
    market = tmp_path / "same"  # a market of the same rows
    market.mkdir()
    for name in ("events", "listings"):
        (market / f"{name}.csv").write_bytes((folder / name / "new.csv").read_bytes())
    (market / "market.toml").write_bytes((invalid_rows.market.path / "market.toml").read_bytes())
    checked = json.loads(vibes("check", market, "--json").stdout)["issues"]
    by_check = {
        line.split(" ", 1)[1] for line in checked if "is not a listing" not in line and "excluded" not in line
    }
    assert {line.split(" ", 1)[1] for line in result["problems"]} == by_check and len(by_check) == 4
    for name in ("events", "listings"):
        (folder / name / "new.csv").touch()  # read again
    error = vibes(*command, "--strict", check=2).stderr
    assert "\x1b" not in error and "\\x1b[2Jabc' is not a finite number" in error
    assert "new-2" in Run.open(invalid_rows.path).listing_ids  # the valid rows are merged all the same


def test_check_can_be_strict(tiny_market):
    path = tiny_market(photos=0)
    assert vibes("check", path, "--strict").stderr == ""
    events = pd.read_parquet(path / "events.parquet").astype({C.TIMESTAMP: "str"})
    events.loc[[1, 4], C.TIMESTAMP] = "soon"
    events.loc[4, C.USER] = None
    events.assign(device="tv").to_parquet(path / "events.parquet", index=False)
    vibes("check", path, "--strict", check=2)
    assert len(Market.open(path).events) == len(events) - 2


EVENTS = """
    SELECT user_id, listing_id, happened AT TIME ZONE 'UTC' AS timestamp, action, duration_s::float8
    FROM events
"""


@pytest.mark.slow
def test_new_rows_of_a_database_are_taken_in_once_whatever_the_order_they_become_visible_in(
    trained, tmp_path
):
    run = copied(trained, tmp_path)
    market = run.market
    listings = new_listings(market, 4)
    events = new_events(market, list(listings[C.LISTING]), 20, 10)
    rows = events.rename(columns={C.TIMESTAMP: "happened"}).assign(duration_s=events[C.DURATION].astype(str))
    with postgres() as address:
        database = create_engine(address)
        with database.begin() as connection:
            connection.execute(
                text(
                    "CREATE TABLE events (id bigserial, user_id text, listing_id text, happened timestamptz, "
                    "action text, duration_s numeric)"
                )
            )
            listings.to_sql("listings", connection, index=False)

        def refresh():
            sources = {
                "events": source_of("events", EVENTS, address),
                "listings": source_of("listings", "SELECT * FROM listings", address),
            }
            return Refresher(run.path, sources).refresh()

        insert = text(
            "INSERT INTO events (user_id, listing_id, happened, action, duration_s) "
            "VALUES (:user_id, :listing_id, :happened, :action, CAST(:duration_s AS numeric))"
        )
        late = database.connect()  # commits last
        late.execute(insert, rows[:5].to_dict("records"))
        with database.begin() as connection:
            connection.execute(insert, rows[5:15].to_dict("records"))
        look = refresh()
        assert (look.events, look.new) == (10, 4)
        late.commit()
        late.close()
        assert refresh().events == 5
        assert not refresh().published
        with database.begin() as connection:
            connection.execute(insert, rows[15:].to_dict("records"))
            connection.execute(text("UPDATE listings SET price = 7 WHERE listing_id = 'fresh-2'"))
        look = refresh()
        assert (look.events, look.new, look.changed) == (5, 0, 1)
        database.dispose()

    opened = Run.open(run.path)
    assert opened.version == 3
    mine = opened.market.events.merge(events, on=[C.USER, C.LISTING, C.TIMESTAMP, C.ACTION, C.DURATION])
    assert len(mine) == len(events)
    told = opened.market.listings.set_index(C.LISTING).loc[listings[C.LISTING]]
    expected = listings.set_index(C.LISTING).assign(
        price=lambda t: t["price"].where(t.index != "fresh-2", 7.0)
    )
    pd.testing.assert_frame_equal(told[expected.columns], expected, check_dtype=False, check_index_type=False)
