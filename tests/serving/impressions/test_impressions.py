"""What is shown is kept: every answer, whatever happens to the service, with what users did on it."""

import http.client
import itertools
import sqlite3
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import sqlalchemy as sql

from helpers.copies import copied
from helpers.serving import ask, locked, running, serving, stored_events
from helpers.traces import traces
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.user_names import UserNames
from listing_vibes.run.rules import Rules
from listing_vibes.serving.deadline import Late
from listing_vibes.serving.forget.forget import forget
from listing_vibes.serving.impressions.answer import Maker, Shown
from listing_vibes.serving.impressions.recorder import WRITE_S, Impressions
from listing_vibes.serving.impressions.tables import SCHEMA, read_impressions
from listing_vibes.serving.service import desk
from listing_vibes.serving.service.api import REQUEST_ID, Options, make_app
from listing_vibes.serving.service.newest import NewestState
from listing_vibes.serving.service.requests import Recommend, Similar
from listing_vibes.serving.service.server import ServiceSettings, serve
from listing_vibes.serving.store import Store

A, B = Maker("a", 2, "model"), Maker("b", 0, "model only + recency")


def shown(number: int, listings: list[str], **more) -> Shown:
    told = {"makers": [A], "user": f"u{number}", "rules": Rules()} | more
    return Shown(
        request_id=f"r{number}", at=1_700_000_000_000_000 + number, kind="recommend", query=None,
        listings=listings, scores=[0.5 - place / 10 for place in range(len(listings))], **told,
    )  # fmt: skip


def test_an_answer_is_one_row_a_listing(tmp_path):
    kept = Impressions(tmp_path)
    kept.keep([shown(1, ["x", "y"]), shown(2, [], user=None, rules=Rules(where=("rooms>=3",)))])
    kept.keep(
        [shown(3, ["x"], arm="B", makers=[B]), shown(4, ["p", "q", "r"], teams=[1, -1, 0], makers=[A, B])]
    )
    assert kept.store.path.stat().st_mode & 0o777 == 0o600  # it tells of users
    before = read_impressions(tmp_path)
    kept.close()
    after = read_impressions(tmp_path)
    pd.testing.assert_frame_equal(before, after)
    assert list(after.columns) == SCHEMA.names
    assert after["request_id"].tolist() == ["r1", "r1", "r2", "r3", "r4", "r4", "r4"]
    assert after[C.LISTING].fillna("-").tolist() == ["x", "y", "-", "x", "p", "q", "r"]
    assert after["position"].fillna(0).tolist() == [1, 2, 0, 1, 1, 2, 3]
    assert after["arm"].fillna("-").tolist() == ["-", "-", "-", "B", "B", "-", "A"]
    assert after["tried"].tolist() == [False, False, False, True, True, True, True]
    assert after["run"].tolist() == ["a", "a", "a", "b", "b", "a", "a"]
    assert after["scorer"][3] == "model only + recency" and after["generation"].tolist() == [
        2,
        2,
        2,
        0,
        0,
        2,
        2,
    ]
    assert after["rules"][2] == '{"where":["rooms>=3"]}' and pd.isna(after[C.USER][2])
    assert after["time"][0] == pd.Timestamp("2023-11-14T22:13:20.000001Z")
    assert abs(after["score"][1] - 0.4) < 1e-6


def test_an_answer_has_an_id_in_the_body_and_as_a_header_and_is_there_when_it_is_given(trained, tmp_path):
    kept, run = Impressions(tmp_path / "shown"), trained
    state = NewestState(run.path, events=tmp_path / "live")
    with serving(make_app(state, Options(pause=0), kept)) as client:
        user, listing = run.log.users[3], run.listing_ids[7]
        answers = [
            client.get(f"/recommend/{user}?k=4&at_most=2&seller=building"),
            client.get(f"/similar/{listing}?k=3&space=attributes"),
            client.post("/recommend", json={"history": [{"listing_id": listing}], "user_id": "me", "k": 2}),
            client.get(f"/recommend/{user}?k=1&why=1"),
        ]
        found = read_impressions(tmp_path / "shown")
        for answer in answers:
            told = answer.json()
            assert answer.headers[REQUEST_ID] == told["request_id"]
            mine = found[found["request_id"] == told["request_id"]]
            assert mine[C.LISTING].tolist() == [one["listing_id"] for one in told["results"]]
            assert mine["run"].unique().tolist() == [str(run.path)]
        assert found[C.USER].fillna("-").unique().tolist() == [user, "-", "me"]
        assert set(found["scorer"]) == {"model only", "attributes"} and set(found["kind"]) == {
            "recommend",
            "similar",
        }
        unknown = client.get("/recommend/nobody?k=1").json()
        assert unknown["fallback"] and unknown["request_id"]
        shown_first = answers[0].json()
        for action in ("view", "message"):
            body = {"user_id": user, "listing_id": shown_first["results"][1]["listing_id"], "action": action}
            client.post("/events", json=body | {"request_id": shown_first["request_id"]})
        joined = read_impressions(tmp_path / "shown", tmp_path / "live")
        acted = joined[joined["actions"].notna()]
        assert len(joined) == len(found) + 1 and acted["position"].tolist() == [2]
        assert acted["actions"].tolist() == [["view", "message"]]
        assert (acted["acted_at"] >= acted["time"]).all()


def test_what_was_fitted_is_looked_up_once_for_all_answers_given_together(trained, tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(desk, "_scorer", lambda *what: looked.append(what[1:]) or "model")
    users, listing = trained.log.users[:3], trained.listing_ids[7]
    asked = [
        *(Recommend(user, [], Rules(k=2)) for user in users),
        *(Similar(listing, Rules(k=k)) for k in (1, 2)),
    ]
    found = desk.Desk(NewestState(trained.path), Impressions(tmp_path)).answer(asked)
    assert len(read_impressions(tmp_path)) == sum(len(one.listings) for one in found) == 9
    assert looked == [(False, None), (True, None)]


@pytest.mark.slow
def test_users_are_hashed_where_that_is_asked_and_forgotten_all_the_same(trained, tmp_path):
    run, folder = copied(trained, tmp_path), tmp_path / "shown"
    with serving(
        make_app(NewestState(run.path), Options(pause=0), Impressions(folder, hashed=True))
    ) as client:
        for user in run.log.users[:2]:
            client.get(f"/recommend/{user}?k=2")
    names = UserNames(folder, True)
    found = read_impressions(folder)
    assert found[C.USER].unique().tolist() == [names.of(user) for user in run.log.users[:2]]
    Impressions(folder, hashed=True).keep([shown(9, ["x"], user=run.log.users[0])])
    gone = forget(run.path, [run.log.users[0]], [folder]).rows
    assert [rows for path, rows in gone.items() if "shown" in path] == [2]
    assert traces(folder, run.log.users[0]) == traces(folder, names.of(run.log.users[0])) == []
    assert read_impressions(folder)[C.USER].unique().tolist() == [names.of(run.log.users[1])]


def test_a_frozen_holder_of_the_lock_costs_the_id_and_not_the_answer(trained, tmp_path):
    kept = Impressions(tmp_path)
    with serving(make_app(NewestState(trained.path), Options(pause=0), kept)) as client:
        path = f"/recommend/{trained.log.users[0]}?k=2"
        assert "request_id" in client.get(path).json()
        with locked(tmp_path):
            for _ in range(3):
                began = time.monotonic()
                answer = client.get(path)
                assert answer.status_code == 200 and len(answer.json()["results"]) == 2
                assert "request_id" not in answer.json() and REQUEST_ID not in answer.headers
                assert time.monotonic() - began < 2 * WRITE_S + 2
            assert "vibes_unkept_answers_total 3.0" in client.get("/metrics").text
            assert client.get("/health").status_code == 503
        until = time.monotonic() + 30
        while "request_id" not in client.get(path).json():
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_store_that_hangs_costs_one_deadline_and_then_nothing(trained, tmp_path, monkeypatch):
    kept, go_on = Impressions(tmp_path), threading.Event()
    monkeypatch.setattr(Store, "append_impressions", lambda store, answers: go_on.wait(60))
    with pytest.raises(Late):
        kept.keep([shown(1, ["x"])])
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(Late):
            kept.keep([shown(1, ["x"])])
    assert time.monotonic() - began < WRITE_S
    go_on.set()
    kept.close()


def test_a_database_that_is_removed_is_said_by_health(trained, tmp_path):
    kept = Impressions(tmp_path)
    with serving(make_app(NewestState(trained.path), Options(pause=0), kept)) as client:
        assert client.get("/health").status_code == 200
        kept.store.path.unlink()
        assert client.get("/health").status_code == 503
        assert "request_id" not in client.get(f"/recommend/{trained.log.users[0]}?k=2").json()


def test_a_full_disk_costs_the_id_and_not_the_answer(trained, tmp_path):
    kept = Impressions(tmp_path)
    with sqlite3.connect(kept.store.path) as base:
        pages = base.execute("PRAGMA page_count").fetchone()[0]

    @sql.event.listens_for(kept.store.engine, "begin")
    def limit(connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    with serving(make_app(NewestState(trained.path), Options(pause=0), kept)) as client:
        answers = [client.get(f"/recommend/{trained.log.users[0]}?k=200&live_only=false") for _ in range(5)]
        assert {answer.status_code for answer in answers} == {200}
        assert "request_id" not in answers[-1].json() and REQUEST_ID not in answers[-1].headers
        assert "vibes_unkept_answers_total 0.0" not in client.get("/metrics").text


def test_what_cannot_be_is_one_sentence(trained, tmp_path, monkeypatch):
    with pytest.raises(VibesError, match="say with --impressions PLACE"):
        serve(ServiceSettings(trained.path, hash_users=True))
    with pytest.raises(VibesError, match="There is no database"):
        read_impressions(tmp_path / "nowhere")
    (tmp_path / "impressions-1.parquet").touch()
    with pytest.raises(VibesError, match="an earlier version wrote"):
        Impressions(tmp_path)


@pytest.mark.slow
def test_a_service_that_is_killed_under_load_loses_no_answer_and_no_event(trained, tmp_path):
    """Two services over the same folders; clients ask, and post what they did; the services are killed in the middle of it,
    and started again twice."""
    answered: dict[str, list[str]] = {}
    took: list[str] = []
    options = ("--events", str(tmp_path / "live"), "--impressions", str(tmp_path / "shown"))

    def use(address: str, number: int) -> None:
        for n in itertools.count():
            user = trained.log.users[(number + n) % 50]
            try:
                told = ask(address, f"/recommend/{user}?k=5&live_only=false")
                listings = [one["listing_id"] for one in told["results"]]
                answered[told["request_id"]] = listings
                event = {"user_id": user, "listing_id": listings[0], "event_id": f"{number} {address} {n}"}
                ask(address, "/events", event | {"request_id": told["request_id"]})
            except (OSError, http.client.HTTPException):
                return
            took.append(event["event_id"])

    for _ in range(2):
        with (
            running(trained.path, *options) as one,
            running(trained.path, *options) as two,
            ThreadPoolExecutor(4) as pool,
        ):
            before = len(took)
            using = [pool.submit(use, (one, two)[number % 2][1], number) for number in range(4)]
            while len(took) < before + 25 and not all(each.done() for each in using):
                time.sleep(0.01)
            one[0].kill()
            time.sleep(0.1)
            two[0].kill()
            for each in using:
                each.result()
    assert len(took) > 40 and len(answered) >= len(took)
    for again in (False, True):
        if again:
            with running(trained.path, *options) as (process, address):
                assert urllib.request.urlopen(address + "/health").status == 200
                process.terminate()
                assert process.wait(30) == 0
        found = read_impressions(tmp_path / "shown", tmp_path / "live")
        lists = found.groupby("request_id", sort=False)[C.LISTING].agg(list).to_dict()
        assert {name: lists.get(name) for name in answered} == answered
        assert found["actions"].notna().sum() >= len(took)
    there = [one["event_id"] for one in stored_events(tmp_path / "live")]
    assert set(took) <= set(there) and len(there) == len(set(there))
