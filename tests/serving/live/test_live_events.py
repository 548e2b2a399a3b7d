"""Posted events: kept durably, known at once and in every service, once each, and read by a refresh."""

import http.client
import itertools
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sql

from helpers.copies import copied
from helpers.serving import ask, locked, running, serving, stored_events
from helpers.traces import traces
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run
from listing_vibes.serving.database import FILE
from listing_vibes.serving.forget.forget import forget
from listing_vibes.serving.live.log import LiveLog
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import source_of
from listing_vibes.serving.service.api import POST_S, Options, make_app
from listing_vibes.serving.service.newest import NewestState

ROOT = Path(__file__).parents[3]


@pytest.fixture
def service(trained, tmp_path):
    state = NewestState(trained.path, events=tmp_path / "events")
    with serving(make_app(state, Options(pause=0)), raise_server_exceptions=False) as client:
        yield client


def found(client, user: str) -> list[str]:
    return [
        one["listing_id"] for one in client.get(f"/recommend/{user}?k=9&live_only=false").json()["results"]
    ]


def test_the_next_request_of_a_user_knows_what_was_posted(service, trained):
    user, ids = trained.log.users[3], trained.listing_ids
    before = found(service, user)
    seen = [before[0], before[4]]
    told = [{"user_id": user, "listing_id": one, "action": "view", "duration_s": 9.5} for one in seen]
    assert service.post("/events", json=told).json() == {"accepted": 2, "repeated": [], "unknown": []}
    rows = slice(*trained.log.history_at(3))
    history = [
        {"listing_id": ids[listing], "action": trained.log.actions[action], "duration_s": float(seconds)}
        for listing, action, seconds in zip(
            trained.log.listing[rows], trained.log.action[rows], trained.log.duration[rows], strict=True
        )
    ]
    frame = pd.DataFrame([*history, *({k: v for k, v in one.items() if k != "user_id"} for one in told)])
    answer = service.get(f"/recommend/{user}?k=9").json()["results"]
    expected = trained.recommend(frame, 9)
    assert [one["listing_id"] for one in answer] == expected[C.LISTING].tolist()
    np.testing.assert_allclose([one["score"] for one in answer], expected["score"], atol=2e-3)
    assert not set(seen) & set(found(service, user))
    at = pd.Timestamp(int(trained.log.time[rows][-1]), tz="UTC").isoformat()  # before what was posted
    assert service.get(f"/recommend/{user}", params={"k": 9, "at": at}).json()["results"]


def test_what_a_user_hides_is_gone_and_its_like_falls(service, trained):
    user = trained.log.users[3]
    before = found(service, user)
    told = {"user_id": user, "listing_id": before[0], "action": "hide"}
    assert service.post("/events", json=told).json()["accepted"] == 1
    expected = trained.recommend(user, 9, rules={"not": [before[0]], "live_only": False})[C.LISTING].tolist()
    assert found(service, user) == expected != before


def test_a_user_that_nobody_knew_has_a_list_from_the_first_event_on(service, trained):
    assert service.get("/recommend/newcomer").json()["fallback"] is True
    service.post("/events", json={"user_id": "newcomer", "listing_id": trained.listing_ids[5]})
    answer = service.get("/recommend/newcomer?k=4").json()["results"]
    expected = trained.recommend([trained.listing_ids[5]], 4)[C.LISTING].tolist()
    assert [one["listing_id"] for one in answer] == expected
    why = service.get("/recommend/newcomer?k=1&why=1").json()["results"][0]["why"]
    assert [one["listing_id"] for one in why["events"]] == [trained.listing_ids[5]]


@pytest.mark.slow
def test_services_over_one_folder_know_of_each_other(trained, tmp_path):
    apps = [make_app(NewestState(trained.path, events=tmp_path), Options(pause=0)) for _ in range(2)]
    with serving(apps[0]) as one, serving(apps[1]) as two:
        for n, client in enumerate((one, two, one)):
            body = {"user_id": "new", "listing_id": trained.listing_ids[n], "event_id": f"e{n}"}
            assert client.post("/events", json=body).json()["accepted"] == 1
            assert found(one, "new") == found(two, "new")
        assert not set(trained.listing_ids[:3]) & set(found(two, "new"))
        again = two.post("/events", json={"user_id": "new", "listing_id": "x", "event_id": "e0"}).json()
        assert again == {"accepted": 0, "repeated": ["e0"], "unknown": ["x"]}
    with serving(make_app(NewestState(trained.path, events=tmp_path))) as later:  # started anew
        body = {"user_id": "new", "listing_id": trained.listing_ids[0], "event_id": "e0"}
        assert later.post("/events", json=[body, body]).json()["repeated"] == ["e0", "e0"]
        assert not set(trained.listing_ids[:3]) & set(found(later, "new"))
    assert len(stored_events(tmp_path)) == 3


@pytest.mark.slow
def test_a_refresh_takes_the_log_in_and_nothing_counts_twice(trained, tmp_path):
    run, folder = copied(trained, tmp_path), tmp_path / "events"
    user, state = run.log.users[3], NewestState(run.path, events=folder)
    with serving(make_app(state, Options(look_every=0.05))) as client:
        for n in range(3):
            client.post("/events", json={"user_id": user, "listing_id": run.listing_ids[n], "action": "view"})
        client.post("/events", json={"user_id": "later", "listing_id": "not-there-yet"})
        client.post("/events", json={"listing_id": run.listing_ids[0], "request_id": "of-nobody"})
        before = found(client, user)
        refresher = Refresher(run.path, {"events": source_of("events", str(folder), None)})
        look = refresher.refresh()
        assert (look.events, look.users, look.waiting, look.problems) == (3, 1, 1, [])
        refreshed = Run.open(run.path)
        rows = slice(*refreshed.log.history_at(refreshed.user_number[user]))
        assert len(refreshed.log.listing[rows]) == len(run.log.listing[slice(*run.log.history_at(3))]) + 3
        until = time.monotonic() + 20
        while state.served.run.generation == 0 and time.monotonic() < until:
            time.sleep(0.05)
        assert state.served.run.generation == 1
        assert state.live.history(state.served.run, user, None) == []
        assert found(client, user) == before
        client.post("/events", json={"user_id": user, "listing_id": before[0]})
        assert len(state.live.history(state.served.run, user, None)) == rows.stop - rows.start + 1
        assert before[0] not in found(client, user)  # the state that took the place knows of it
    assert refresher.refresh().events == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"listing_id": "a"}, "user_id is missing; give it, or the request_id"),
        ({"user_id": "u"}, "listing_id is missing; give it."),
        ({"user_id": " ", "listing_id": "a"}, "user_id is empty"),
        ({"user_id": "a\0b", "listing_id": "a"}, "user_id is 'a\\x00b'"),
        ({"user_id": 7, "listing_id": "a"}, "user_id is 7; input should be a valid string"),
        ({"user_id": "u", "listing_id": "a", "action": "sing"}, "action is 'sing'; give one of: view"),
        ({"user_id": "u", "listing_id": "a", "duration_s": -1}, "duration_s is -1"),
        ({"user_id": "u", "listing_id": "a", "duration_s": 1e308}, "duration_s is 1e+308"),
        ({"user_id": "u", "listing_id": "a", "timestamp": "soon"}, "timestamp is 'soon'; give a date"),
        ({"user_id": "u", "listing_id": "a", "timestamp": "2200-01-01"}, "which is to come"),
        ({"user_id": "u", "listing_id": "a", "position": 3}, "position is of no use in this market"),
        ({"user_id": "u", "listing_id": "a", "color": 1}, "color is unknown; remove it"),
        ([], "The body holds no event"),
        ("text", "The body holds no event"),
        ([{"user_id": "u", "listing_id": "a"}] * 1001, "holds 1001 events; send 1000"),
        ([7], "The body is no JSON object"),
    ],
)
def test_what_is_no_event_is_one_sentence(service, tmp_path, body, told):
    answer = service.post("/events", json=body)
    assert answer.status_code == 422 and told in answer.json()["error"]
    assert not stored_events(tmp_path / "events")


def test_of_a_list_each_bad_event_has_its_sentence_and_none_is_taken(service, tmp_path):
    good = {"user_id": "u", "listing_id": "a"}
    answer = service.post("/events", json=[good, {"user_id": "u"}, good, {"listing_id": "a"}])
    assert [one["event"] for one in answer.json()["events"]] == [1, 3]
    assert answer.json()["error"] == "Event 2 of 4: listing_id is missing; give it."
    assert not stored_events(tmp_path / "events")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain;x=json"},
        {"content-type": "multipart/form-data; boundary=json"},
        {"content-type": "application/json", "origin": "http://evil.example.com"},
        {"content-type": "application/json", "sec-fetch-site": "cross-site"},
    ],
)
def test_a_browser_on_a_page_of_another_site_stores_no_event(service, tmp_path, headers):
    event = json.dumps({"user_id": "u", "listing_id": "a"})
    assert service.post("/events", content=event, headers=headers).status_code in (403, 422)
    assert not stored_events(tmp_path / "events")


def test_a_service_that_takes_no_events_says_so(trained):
    with serving(make_app(NewestState(trained.path))) as client:
        answer = client.post("/events", json={"user_id": "u", "listing_id": "a"})
    assert answer.status_code == 404 and "There is nothing at /events" in answer.json()["error"]


def test_a_full_disk_is_said_and_lists_go_on(service, trained, tmp_path):
    with sqlite3.connect(tmp_path / "events" / FILE) as base:
        pages = base.execute("PRAGMA page_count").fetchone()[0]
    live = service.app.state.current.live

    @sql.event.listens_for(live.store.engine, "begin")
    def limit(connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    event = {"user_id": "u" * 200, "listing_id": "a" * 200}
    answer = service.post("/events", json=[event] * 100)
    assert answer.status_code == 503 and "disk is full" in answer.json()["error"]
    assert service.get(f"/recommend/{trained.log.users[0]}").status_code == 200
    assert not stored_events(tmp_path / "events")


def test_a_frozen_holder_of_the_lock_costs_a_deadline_and_health_says_so(service, trained, tmp_path):
    event = {"user_id": "u", "listing_id": "a"}
    with locked(tmp_path / "events"):
        began = time.monotonic()
        assert service.post("/events", json=event).status_code == 503
        assert time.monotonic() - began < POST_S + 5
        assert service.get(f"/recommend/{trained.log.users[0]}?k=2").status_code == 200
        health = service.get("/health")
        assert health.status_code == 503 and set(health.json()) == {"error"}
    assert service.post("/events", json=event).status_code == 200
    until = time.monotonic() + 30
    while service.get("/health").status_code != 200:  # the look that hung has yet to end
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(stored_events(tmp_path / "events")) == 1


def test_memory_is_bounded(trained, tmp_path):
    log = LiveLog(tmp_path, lambda: trained)
    log._pending._most = 4
    for n in range(6):
        log.append([[{"user_id": f"u{n}", "listing_id": "a", "event_id": str(n)}]])
    assert [len(log._pending._by_user), log._pending._count] == [4, 4]
    assert log.append([[{"user_id": "u", "listing_id": "a", "event_id": "0"}]])[0].repeated == ["0"]


def test_where_events_have_positions_a_new_one_comes_after_the_users_last(untimed, tmp_path):
    log = LiveLog(tmp_path, lambda: untimed)
    log.append([[{"user_id": "u", "listing_id": "a"}, {"user_id": "u", "listing_id": "b"}]])
    log.append([[{"user_id": "u", "listing_id": "c", "position": 9}], [{"user_id": "u", "listing_id": "d"}]])
    assert [one["position"] for one in stored_events(tmp_path)] == [0, 1, 9, 10]


@pytest.mark.slow
def test_who_is_forgotten_is_gone_from_the_log_while_services_go_on(trained, tmp_path):
    run, folder = copied(trained, tmp_path), tmp_path / "events"
    state = NewestState(run.path, events=folder)
    with serving(make_app(state, Options(pause=0))) as client:
        for user in ("gone", "kept", "gone"):
            client.post("/events", json={"user_id": user, "listing_id": run.listing_ids[4]})
        path = folder / FILE
        assert forget(run.path, ["gone"], [folder]).rows == {str(path): 2}
        client.post("/events", json={"user_id": "kept", "listing_id": run.listing_ids[5]})
        assert [one["user_id"] for one in stored_events(folder)] == ["kept", "kept"]
        assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
        assert traces(folder, "gone") == []
        assert client.get("/recommend/gone").json()["fallback"]
        assert not set(run.listing_ids[4:6]) & set(found(client, "kept"))


@pytest.mark.slow
def test_a_service_that_is_killed_under_load_loses_no_event_that_it_took(trained, place):
    """Four clients post as fast as they can; the process is killed in the middle of it."""
    took: list[str] = []

    def post(address: str, number: int) -> None:
        for n in itertools.count():
            told = [
                {"user_id": f"u{number}", "listing_id": trained.listing_ids[n % 50], "event_id": f"{number}.{n}.{part}"}
                for part in range(3)
            ]  # fmt: skip
            try:
                ask(address, "/events", told)
            except (OSError, http.client.HTTPException):
                return
            took.extend(one["event_id"] for one in told)

    for _ in range(3):
        with (
            running(trained.path, "--events", place) as (process, address),
            ThreadPoolExecutor(4) as pool,
        ):
            before = len(took)
            posting = [pool.submit(post, address, number + 10 * before) for number in range(4)]
            while len(took) < before + 15 and not all(one.done() for one in posting):
                time.sleep(0.01)
            process.kill()
            for one in posting:
                one.result()
    there = [one["event_id"] for one in stored_events(place)]
    assert len(took) > 30 and set(took) <= set(there) and len(there) == len(set(there))
    with running(trained.path, "--events", place) as (_, address):
        again = [{"user_id": "u", "listing_id": "a", "event_id": one} for one in took[-900:]]
        assert ask(address, "/events", again) == {
            "accepted": 0, "repeated": took[-900:], "unknown": ["a"]
        }  # fmt: skip
    frames = source_of("events", place, None).poll({}).frames
    assert sum(len(frame.rows) for frame in frames) == len(there)


def test_an_event_that_is_the_same_in_all_counts_once_and_another_action_counts(trained, tmp_path):
    log, user = LiveLog(tmp_path, lambda: trained), trained.log.users[3]
    last = trained.log.history_at(3)[1] - 1
    at = str(np.datetime64(int(trained.log.time[last]), "ns")) + "Z"
    listing = trained.listing_ids[trained.log.listing[last]]
    known = {
        "user_id": user,
        "listing_id": listing,
        "timestamp": at,
        "duration_s": float(trained.log.duration[last]),
    }
    known["action"] = trained.log.actions[trained.log.action[last]]
    log.append([[known], [known]])
    assert log.history(trained, user, None) == []
    other = known | {"action": next(one for one in trained.log.actions if one != known["action"])}
    log.append([[other], [other]])
    history = log.history(trained, user, None)
    assert len(history) == last - trained.log.start[3] + 2
    assert [(one.listing, one.action) for one in history[-2:]] == [
        (listing, known["action"]),
        (listing, other["action"]),
    ]
