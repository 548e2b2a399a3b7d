"""The database of a service, on SQLite and on a real PostgreSQL: committed once, read once, and never waited for without end."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest

from helpers.copies import copied
from helpers.postgres import postgres
from helpers.serving import locked, serving, stored_events
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.serving.database import resolve_place
from listing_vibes.serving.deadline import Late
from listing_vibes.serving.experiment.setup import Arm, Setup, begin, setup_of
from listing_vibes.serving.forget.forget import forget
from listing_vibes.serving.impressions.recorder import Impressions
from listing_vibes.serving.impressions.tables import read_impressions
from listing_vibes.serving.live import log as live_log
from listing_vibes.serving.live.log import LiveLog
from listing_vibes.serving.refresh.sources import source_of
from listing_vibes.serving.service.api import POST_S, Options, make_app
from listing_vibes.serving.service.newest import NewestState
from listing_vibes.serving.store import Store


def event(number: int, user: str = "u") -> dict:
    return {C.USER: user, C.LISTING: "a", C.TIMESTAMP: "2024-05-01", "event_id": f"e{number}"}


def test_what_several_append_at_once_is_there_once_and_a_reader_misses_none(place):
    stores = [Store(place, "--events", create=True) for _ in range(4)]
    read: list[str] = []

    def append(number: int) -> list[str]:
        done = []
        for n in range(40):
            posts = [[event(100 * number + n)], [event(9000 + n)]]  # of the second all four have the same
            repeated = stores[number].append_events(posts)
            done += [post[0]["event_id"] for post, again in zip(posts, repeated, strict=True) if not again]
        return done

    with ThreadPoolExecutor(4) as pool:
        appending, reader, after = [pool.submit(append, number) for number in range(4)], stores[0], 0
        while True:
            ended = all(one.done() for one in appending)
            for row in reader.read_events(after)[1]:
                after = row.id
                read.append(row.event_id)
            if ended:
                break
    appended = [name for one in appending for name in one.result()]
    assert len(read) == len(set(read)) == 200 and sorted(read) == sorted(appended)


def test_positions_follow_the_last_of_their_user_whoever_appends(place):
    one, two = (Store(place, "--events", create=True) for _ in range(2))
    post = [{C.USER: "u", C.LISTING: "a"}, {C.USER: "v", C.LISTING: "a"}, {C.USER: "u", C.LISTING: "b"}]
    for store in (one, two):
        store.append_events([post], {"u": 4, "v": -1}.get)
    assert [row[C.POSITION] for row in stored_events(place)] == [5, 0, 6, 7, 1, 8]


def test_a_frozen_holder_of_the_lock_costs_a_deadline(place):
    store = Store(place, "--events", create=True, deadline_s=0.5)
    with locked(place) as holder:
        for refused in (store.check, lambda: store.append_events([[event(1)]])):
            began = time.monotonic()
            with pytest.raises(Late):
                refused()
            assert time.monotonic() - began < 5
        assert store.read_events()[1] == []
        if not store.is_sqlite:  # the server ends the transaction of one who does nothing
            until = time.monotonic() + 60
            while True:
                try:
                    store.check()
                    break
                except Late:
                    assert time.monotonic() < until
        assert psutil.Process(holder.pid).status() == psutil.STATUS_STOPPED
    assert store.append_events([[event(1)]]) == [[]]


def test_users_are_deleted_and_those_who_read_before_are_told(place, trained, monkeypatch):
    log, other = (LiveLog(place, lambda: trained) for _ in range(2))
    for number, user in enumerate(("gone", "kept")):
        log.append([[event(number, user) | {C.LISTING: trained.listing_ids[number]}]])
    other.catch_up()
    assert [len(other.history(trained, user, None)) for user in ("gone", "kept")] == [1, 1]
    assert log.store.delete_users(["gone", "nobody"]) == 1
    other.catch_up()
    assert [len(other.history(trained, user, None)) for user in ("gone", "kept")] == [0, 1]
    log.append([[event(9, "later") | {C.LISTING: trained.listing_ids[0]}]])
    other.catch_up()
    assert len(other.history(trained, "later", None)) == 1


def test_a_clock_that_is_hours_ahead_hides_no_event_of_another(place, trained, monkeypatch):
    ahead, other = (LiveLog(place, lambda: trained) for _ in range(2))
    real = time.time_ns
    monkeypatch.setattr(live_log.time, "time_ns", lambda: real() + 3 * 3600 * 10**9)
    ahead.append([[{C.USER: "a", C.LISTING: trained.listing_ids[0]}]])
    monkeypatch.undo()
    other.append([[{C.USER: "b", C.LISTING: trained.listing_ids[0]}]])
    for log in (ahead, other):
        log.catch_up()
        assert [len(log.history(trained, user, None)) for user in "ab"] == [1, 1]


def test_a_refresh_reads_what_was_posted_once(place):
    store = Store(place, "--events", create=True)
    store.append_events([[event(1), event(2), {C.LISTING: "a", "request_id": "of nobody"}]])
    source, marks = source_of("events", place, None), {}

    def look() -> list[str]:
        nonlocal marks
        found = source.poll(marks)
        marks = found.marks | {frame.key: frame.mark for frame in found.frames}
        return [user for frame in found.frames if len(frame.rows) for user in frame.rows[C.USER]]

    assert look() == ["u", "u"] and look() == []
    store.append_events([[event(3, "v")]])
    assert look() == ["v"] and look() == []


def test_a_store_has_one_experiment_and_places_are_shown_without_a_password(place):
    wanted = Setup(design="split", a=Arm(run="a"), b=Arm(run="b"), events="x")
    assert begin(place, wanted) == setup_of(place) == wanted
    with pytest.raises(VibesError, match="go on with that"):
        begin(place, wanted.model_copy(update={"design": "interleave"}))
    assert resolve_place("postgresql://me:secret@host/db") == "postgresql://me@host/db"


@pytest.mark.slow
def test_a_service_over_postgres_keeps_what_it_took_and_forgets(trained, tmp_path):
    with postgres() as address:
        kept = Impressions(address)
        with serving(make_app(NewestState(trained.path, events=address), Options(pause=0), kept)) as client:
            told = client.get(f"/recommend/{trained.log.users[3]}?k=2").json()
            body = {
                "user_id": "me",
                "listing_id": told["results"][0]["listing_id"],
                "request_id": told["request_id"],
            }
            assert client.post("/events", json=body).json()["accepted"] == 1
            assert "fallback" not in client.get("/recommend/me?k=1").json()
            assert read_impressions(address, address)["actions"].notna().sum() == 1
            assert sum(forget(copied(trained, tmp_path).path, ["me"], [address]).rows.values()) == 2
            assert client.get("/recommend/me").json()["fallback"]


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
def test_a_database_server_that_hangs_costs_deadlines_and_no_list(trained):
    with postgres() as address:
        kept = Impressions(address)
        with serving(make_app(NewestState(trained.path, events=address), Options(pause=0), kept)) as client:
            path, event = f"/recommend/{trained.log.users[3]}?k=2", {"user_id": "u", "listing_id": "a"}
            assert client.get("/health").status_code == 200 and client.get(path).status_code == 200
            with frozen_server(address):
                began = time.monotonic()
                assert client.post("/events", json=event).status_code == 503
                for _ in range(5):
                    answer = client.get(path).json()
                    assert len(answer["results"]) == 2 and "request_id" not in answer
                assert client.get("/health").status_code == 503
                assert time.monotonic() - began < POST_S + 15
            until = time.monotonic() + 60
            while client.get("/health").status_code != 200:
                assert time.monotonic() < until
                time.sleep(0.1)
            assert client.post("/events", json=event).status_code == 200
            assert "request_id" in client.get(path).json()
