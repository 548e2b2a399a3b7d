"""The database of a service, on SQLite and on a real PostgreSQL: committed once, read once, and never waited for without end."""

import http.client
import itertools
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
import sqlalchemy as sql

from helpers.copies import copied, traces
from helpers.postgres import postgres
from helpers.serving import app_of, ask, locked, running, serving, stored_events
from helpers.waiting import has_ended, wait_until
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import VARIABLE, UserNames
from listing_vibes.serving import events
from listing_vibes.serving.event_database import PATIENCE_S, Busy, Database
from listing_vibes.serving.events import append_events, read_events
from listing_vibes.serving.experiment import Arm, Setup, begin_experiment, read_setup
from listing_vibes.serving.forget import forget
from listing_vibes.serving.impressions import ImpressionLog, read_impressions
from listing_vibes.serving.places import FILE, resolve_place
from listing_vibes.serving.refresh.polls import source_of
from listing_vibes.serving.service.service import POST_S, RECORD_S


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request, tmp_path):
    """Where a store may be made."""
    if request.param == "sqlite":
        yield str(tmp_path / "store")
    else:
        with postgres() as address:
            yield address


def event(number: int, user: str = "u") -> dict:
    return {C.USER: user, C.LISTING: "a", C.TIMESTAMP: "2024-05-01", "event_id": f"e{number}"}


def test_what_several_append_at_once_is_there_once_and_a_reader_misses_none(place):
    databases = [Database(place, "--events", create=True) for _ in range(4)]
    read: list[str] = []

    def append(number: int) -> list[str]:
        done = []
        for n in range(40):
            posts = [[event(100 * number + n)], [event(9000 + n)]]  # of the second all four have the same
            repeated = append_events(databases[number], posts)
            done += [post[0]["event_id"] for post, again in zip(posts, repeated, strict=True) if not again]
        return done

    with ThreadPoolExecutor(4) as pool:
        appending, after, is_over = [pool.submit(append, number) for number in range(4)], 0, False
        while not is_over:
            is_over = all(one.done() for one in appending)
            for row in read_events(databases[0], after):
                after = row.id
                read.append(row.event_id)
    appended = [name for one in appending for name in one.result()]
    assert len(read) == len(set(read)) == 200 and sorted(read) == sorted(appended)


def is_free(database: Database) -> bool:
    try:
        database.begin_state("name", "1")
    except Busy:
        return False
    return True


def test_a_frozen_holder_of_the_lock_costs_a_deadline(place):
    database = Database(place, "--events", create=True, deadline_s=0.5)
    with locked(place) as holder:
        for write in (
            lambda: database.begin_state("name", "1"),
            lambda: append_events(database, [[event(1)]]),
        ):
            begin = time.monotonic()
            with pytest.raises(Busy):
                write()
            assert time.monotonic() - begin < PATIENCE_S  # of a database whose deadline nobody sets
        assert read_events(database) == [] == read_events(Database(place, "--events"))
        if not database.is_sqlite:  # the server ends the transaction of one who does nothing
            wait_until(lambda: is_free(database))
        assert psutil.Process(holder.pid).status() == psutil.STATUS_STOPPED
    assert append_events(database, [[event(1)]]) == [[]]


def test_a_process_may_open_a_database_twice_and_another_one_close_it(tmp_path):
    """SQLite removes its log when the last connection closes, as the locks say, which end where a process closes the file."""
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(*c.execute('SELECT event_id FROM vibes_events')); c.close()"

    def read() -> str:
        command = [sys.executable, "-c", code, str(tmp_path / FILE)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    first = Database(tmp_path, "--events", create=True)
    append_events(first, [[event(1)]])
    second = Database(tmp_path, "--impressions", create=True)
    assert "e1" in read()
    append_events(first, [[event(2)]])
    second.begin_state("name", "1")
    assert "e1" in read() and "e2" in read()


def test_a_refresh_reads_what_was_posted_once(place):
    database = Database(place, "--events", create=True)
    append_events(database, [[event(1), event(2), {C.LISTING: "a", "request_id": "without a user"}]])
    source, marks = source_of("events", place, None), {}

    def poll() -> list[str]:
        found = source.poll(marks)
        marks.update(found.marks | {frame.key: frame.mark for frame in found.frames})
        return [user for frame in found.frames for user in frame.rows[C.USER]]

    assert poll() == ["u", "u"] and poll() == []
    append_events(database, [[event(3, "v")]])
    assert poll() == ["v"] and poll() == []


def test_a_database_has_one_experiment_and_places_are_shown_without_a_password(place):
    setup = Setup(a=Arm(run="a"), b=Arm(run="b"), events="x")
    assert begin_experiment(place, setup) == read_setup(place) == setup
    again = Setup(**setup.model_dump(exclude={"salt"}))
    assert begin_experiment(place, again) == setup != again  # with the salt that it has
    for other in ({"b": Arm(run="c")}, {"events": "elsewhere"}):
        with pytest.raises(VibesError):
            begin_experiment(place, setup.model_copy(update=other))
    assert resolve_place("postgresql://me:secret@host/db") == "postgresql://me@host/db"


def test_a_frozen_holder_of_the_lock_costs_a_post_and_a_request_id_but_no_list(
    trained, tmp_path, monkeypatch
):
    monkeypatch.setattr(events, "WRITE_S", 1.0)
    with serving(app_of(trained.path, tmp_path, tmp_path)) as client:
        path, event = f"/recommend/{trained.log.users[0]}?k=2", {"user_id": "u", "listing_id": "a"}
        assert "request_id" in client.get(path).json()
        with locked(tmp_path):
            begin = time.monotonic()
            assert client.post("/events", json=event).status_code == 503
            assert time.monotonic() - begin < POST_S + PATIENCE_S
            for _ in range(3):
                begin = time.monotonic()
                response = client.get(path)
                assert response.status_code == 200 and len(response.json()["results"]) == 2
                assert "request_id" not in response.json()
                assert time.monotonic() - begin < RECORD_S + PATIENCE_S
            assert "vibes_unrecorded_responses_total 3.0" in client.get("/metrics").text
            assert client.get("/health").status_code == 503
        wait_until(lambda: client.get("/health").status_code == 200)
        assert client.post("/events", json=event).status_code == 200
        assert "request_id" in client.get(path).json()
    assert len(stored_events(tmp_path)) == 1


def test_health_waits_for_no_commit_but_reports_a_lock_that_stays(trained, tmp_path):
    with serving(app_of(trained.path, tmp_path)) as client:

        def status() -> int:
            return client.get("/health").status_code

        with Database(tmp_path, "--events").write():
            assert status() == 503
        wait_until(lambda: status() == 200)
        with Database(tmp_path, "--events").write():
            assert status() == 200  # before, it waited for the lock, and failed
            wait_until(lambda: status() == 503)
            assert status() == 503
        wait_until(lambda: status() == 200)


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_removed_database_and_a_full_disk_cost_a_post_and_a_request_id_but_no_list(
    trained, tmp_path, is_removed
):
    with serving(app_of(trained.path, tmp_path, tmp_path), raise_server_exceptions=False) as client:
        with sqlite3.connect(tmp_path / FILE) as base:
            pages = base.execute("PRAGMA page_count").fetchone()[0]
        if is_removed:
            (tmp_path / FILE).unlink()
        for log in (client.app.state.service.events, client.app.state.service.impressions):

            @sql.event.listens_for(log.database.engine, "begin")
            def limit(connection) -> None:
                connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        event = {"user_id": "u" * 200, "listing_id": "a" * 200}
        assert client.post("/events", json=[event] * 100).status_code == 503
        responses = [client.get(f"/recommend/{trained.log.users[0]}?k=200&live_only=false") for _ in range(5)]
        assert {response.status_code for response in responses} == {200}
        assert "request_id" not in responses[-1].json()
        assert client.get("/health").status_code == (503 if is_removed else 200)
    assert is_removed or not stored_events(tmp_path)


@pytest.mark.slow
def test_forgotten_users_are_gone_from_a_database_while_its_service_runs(trained, tmp_path, monkeypatch):
    run, folder = copied(trained, tmp_path), tmp_path / "live"
    gone, stays = "gone-user", run.log.users[1]
    with serving(app_of(run.path, folder, folder, hash_users=True)) as client:
        names = UserNames(folder, True)
        for user in (gone, stays, gone):
            client.post("/events", json={"user_id": user, "listing_id": run.listing_ids[4]})
        for user in (gone, stays):
            client.get(f"/recommend/{user}?k=2")
        assert read_impressions(folder)[C.USER].unique().tolist() == [names.of(gone), names.of(stays)]
        assert forget(run.path, [gone], [folder / FILE]).rows[str(folder / FILE)] == 3  # and its key
        client.post("/events", json={"user_id": stays, "listing_id": run.listing_ids[5]})
        assert [event["user_id"] for event in stored_events(folder)] == [stays, stays]
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert traces(folder, gone) == traces(folder, names.of(gone)) == []
        assert client.get(f"/recommend/{gone}").json()["fallback"]
    assert read_impressions(folder)[C.USER].dropna().unique().tolist() == [names.of(stays), names.of(gone)]
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(VibesError):
        ImpressionLog(folder, hash_users=True)


@pytest.mark.slow
def test_services_that_are_killed_under_load_lose_no_response_and_no_event(trained, place):
    """Clients of two services, of which one has two workers, read lists and post what they did; all are killed in the middle of it."""
    lists: dict[str, list[str]] = {}
    taken: list[str] = []
    options = ("--events", place, "--impressions", place)

    def use(address: str, number: int) -> None:
        for n in itertools.count():
            user = trained.log.users[(number + n) % 50]
            try:
                document = ask(address, f"/recommend/{user}?k=5&live_only=false")
                listings = [row["listing_id"] for row in document["results"]]
                lists[document["request_id"]] = listings
                event = {"user_id": user, "listing_id": listings[0], "event_id": f"{number} {address} {n}"}
                ask(address, "/events", event | {"request_id": document["request_id"]})
            except (OSError, http.client.HTTPException):
                return
            taken.append(event["event_id"])

    with (
        running(trained.path, *options) as one,
        running(trained.path, *options, "--workers", "2") as two,
        ThreadPoolExecutor(4) as pool,
    ):
        using = [pool.submit(use, (one, two)[number % 2][1], number) for number in range(4)]
        while len(taken) < 45 and not all(each.done() for each in using):
            time.sleep(0.01)
        one[0].kill()
        psutil.Process(ask(two[1], "/health")["worker"]).kill()
        time.sleep(0.1)
        workers = psutil.Process(two[0].pid).children()
        two[0].kill()
        for each in using:
            each.result()
        wait_until(lambda: all(map(has_ended, workers)), 0.1)  # they end with it
    assert len(taken) > 40 and len(lists) >= len(taken)
    with running(trained.path, *options) as (_, address):
        again = [{"user_id": "u", "listing_id": "a", "event_id": one} for one in taken[-900:]]
        expected = {"accepted": 0, "repeated": taken[-900:], "unknown": ["a"]}
        assert ask(address, "/events", again) == expected
    table = read_impressions(place, place)
    recorded = table.groupby("request_id", sort=False)[C.LISTING].agg(list).to_dict()
    assert {name: recorded.get(name) for name in lists} == lists
    assert table["actions"].notna().sum() >= len(taken)
    stored = [one["event_id"] for one in stored_events(place)]
    assert set(taken) <= set(stored) and len(stored) == len(set(stored))


@contextmanager
def frozen_server(address: str):
    """Every process of a PostgreSQL server, stopped."""
    folder = address.rpartition("host=")[2]
    servers = [
        one for one in psutil.process_iter(["cmdline"])
        if one.info["cmdline"] and f"{folder}/data" in one.info["cmdline"]
    ]  # fmt: skip
    assert servers
    processes = [each for one in servers for each in (one, *one.children(recursive=True))]
    for one in processes:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in processes:
            one.send_signal(signal.SIGCONT)


@pytest.mark.slow
def test_a_service_over_postgres_keeps_what_it_took_and_a_server_that_hangs_costs_no_list(trained, tmp_path):
    with postgres() as address, serving(app_of(trained.path, address, address)) as client:
        path, event = f"/recommend/{trained.log.users[3]}?k=2", {"user_id": "me", "listing_id": "a"}
        results = client.get(path).json()
        clicked = {"listing_id": results["results"][0]["listing_id"], "request_id": results["request_id"]}
        assert client.post("/events", json=event | clicked).json()["accepted"] == 1
        assert "fallback" not in client.get("/recommend/me?k=1").json()
        assert read_impressions(address, address)["actions"].notna().sum() == 1
        assert sum(forget(copied(trained, tmp_path).path, ["me"], [address]).rows.values()) == 2
        assert client.get("/recommend/me").json()["fallback"]
        assert client.get("/health").status_code == 200
        with frozen_server(address):
            begin = time.monotonic()
            assert client.post("/events", json=event).status_code == 503
            for _ in range(5):
                results = client.get(path).json()
                assert len(results["results"]) == 2 and "request_id" not in results
            assert client.get("/health").status_code == 503
            assert time.monotonic() - begin < POST_S + 4 * PATIENCE_S
        wait_until(lambda: client.get("/health").status_code == 200)
        assert client.post("/events", json=event).status_code == 200
        assert "request_id" in client.get(path).json()


def test_a_damaged_log_is_an_error_and_a_last_commit_cut_off_by_a_power_failure_is_none(tmp_path):
    """SQLite takes the first frame of its log whose checksum fails for the end, and removes the rest when it closes."""
    store = Database(tmp_path / "store", "--events", create=True)
    store.delete_users(["nobody"])  # empties the log
    log, ends = store.path.with_name(store.path.name + "-wal"), [32]
    for number in range(6):
        append_events(store, [[event(number)]])
        ends.append(log.stat().st_size)
    whole, counter = log.read_bytes(), itertools.count()
    frame = 24 + int.from_bytes(whole[8:12])

    def opened(content: bytes) -> tuple[int, bool]:
        """Return the number of events in what a dead process leaves behind, and whether its log had to be cut by hand."""
        folder = tmp_path / str(next(counter))
        folder.mkdir()
        (folder / FILE).write_bytes(store.path.read_bytes())
        left = folder / f"{FILE}-wal"
        left.write_bytes(content)
        try:
            Database(folder, "--events").close()
        except VibesError as error:
            assert left.read_bytes() == content  # nothing is lost by looking
            subprocess.run(str(error).rpartition(": ")[2], shell=True, check=True)
            return len(stored_events(folder)), True
        return len(stored_events(folder)), False

    def flipped(place: int) -> bytes:
        return whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]

    assert opened(whole) == (6, False) and opened(b"") == (0, False)
    for size in (20, 32, ends[5] + 30, ends[5] + frame, ends[6] - 1):  # a write that did not end
        assert opened(whole[:size]) == (5 if size > ends[5] else 0, False)
    for number, (first, end) in enumerate(itertools.pairwise(ends)):
        for start in range(first, end, frame):
            for part in (0, 6, 9, 17, 24, frame - 1):  # page, pages after a commit, salt, checksum, content
                events, is_damaged = opened(flipped(start + part))
                assert events == number
                assert (
                    is_damaged or number >= 4
                )  # what could be of the last commit only is not told apart from it
                assert not is_damaged or number < 5 or part == 6
    for place in (0, 5, 17, 30):
        assert opened(flipped(place)) == (0, True)


def test_a_log_that_cannot_be_read_is_an_error_in_one_sentence(tmp_path):
    store = Database(tmp_path, "--events", create=True)
    store.close()
    (tmp_path / f"{FILE}-wal").mkdir()
    with pytest.raises(VibesError):
        Database(tmp_path, "--events").users()
