"""Posted events: stored durably, known at once and in every service, once each, and read by a refresh."""

import json
import sqlite3
import time

import numpy as np
import pandas as pd
import pytest

from helpers.commands import vibes
from helpers.copies import copied
from helpers.serving import app_of, serving, stored_events
from helpers.waiting import wait_until
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.histories import Event
from listing_vibes.run.rules import Rules
from listing_vibes.serving import events as module
from listing_vibes.serving.events import AHEAD_S, PostedEvent, PostedEventLog, event_rows, join_history
from listing_vibes.serving.impressions import COLUMNS, ImpressionLog, Maker, impression_row, read_impressions
from listing_vibes.serving.refresh.polls import FileSource
from listing_vibes.serving.refresh.refresher import Refresher

GOOD = {"user_id": "u", "listing_id": "a"}


@pytest.fixture
def service(trained, tmp_path):
    with serving(app_of(trained.path, tmp_path / "events"), raise_server_exceptions=False) as client:
        yield client


def listings(client, user: str) -> list[str]:
    response = client.get(f"/recommend/{user}?k=9&live_only=false")
    return [row["listing_id"] for row in response.json()["results"]]


def test_the_next_request_of_a_user_knows_what_was_posted(service, trained):
    user, ids = trained.log.users[3], trained.listing_ids
    before = listings(service, user)
    seen = [before[0], before[4]]
    posted = [{"user_id": user, "listing_id": one, "action": "view", "duration_s": 9.5} for one in seen]
    assert service.post("/events", json=posted).json() == {"accepted": 2, "repeated": [], "unknown": []}
    rows = slice(*trained.log.history_at(3))
    columns = (trained.log.listing[rows], trained.log.action[rows], trained.log.duration[rows])
    history = [
        {"listing_id": ids[listing], "action": trained.log.actions[action], "duration_s": float(seconds)}
        for listing, action, seconds in zip(*columns, strict=True)
    ]
    frame = pd.DataFrame([*history, *({k: v for k, v in one.items() if k != "user_id"} for one in posted)])
    results = service.get(f"/recommend/{user}?k=9").json()["results"]
    expected = trained.recommend(frame, 9)
    assert [row["listing_id"] for row in results] == expected[C.LISTING].tolist()
    np.testing.assert_allclose([row["score"] for row in results], expected["score"], atol=2e-3)
    assert not set(seen) & set(listings(service, user))
    assert service.get("/recommend/new").json()["fallback"] is True
    service.post("/events", json={"user_id": "new", "listing_id": ids[5]})
    results = service.get("/recommend/new?k=4&explain=1").json()["results"]
    assert [row["listing_id"] for row in results] == trained.recommend([ids[5]], 4)[C.LISTING].tolist()
    assert [event["listing_id"] for event in results[0]["explanation"]["events"]] == [ids[5]]
    hidden = listings(service, user)[0]
    assert service.post("/events", json={"user_id": user, "listing_id": hidden, "action": "hide"}).is_success
    assert hidden not in listings(service, user)
    at = pd.Timestamp(int(trained.log.time[rows][-1]), tz="UTC").isoformat()  # before what was posted
    earlier = service.get(f"/recommend/{user}", params={"k": 9, "at": at}).json()["results"]
    assert [row["listing_id"] for row in earlier] == trained.recommend(user, 9, at)[C.LISTING].tolist()


@pytest.mark.slow
def test_a_refresh_takes_the_events_in_and_nothing_counts_twice(trained, tmp_path):
    run, folder = copied(trained, tmp_path), tmp_path / "events"
    user = run.log.users[3]
    with serving(app_of(run.path, folder, follow_s=0.05)) as client:
        for n in range(3):
            event = {"user_id": user, "listing_id": run.listing_ids[n], "action": "view"}
            client.post("/events", json=event)
        client.post("/events", json={"user_id": user, "listing_id": "of tomorrow"})
        before = listings(client, user)
        refresher = Refresher(run.path, {"events": FileSource(folder)})
        assert refresher.refresh().version == 1
        wait_until(lambda: client.get("/health").json()["version"] >= 1)
        assert listings(client, user) == before
        state = client.app.state.service.current.state
        posted = client.app.state.service.events.read_users([user])[0]
        assert len(posted) == 4 and join_history(state.run, user, posted, None) == []


def test_an_invalid_post_is_one_sentence_and_nothing_of_it_is_stored(service, tmp_path):
    for body in (
        {"listing_id": "a"}, {"user_id": "u"}, {"user_id": " ", "listing_id": "a"}, {"user_id": "a\0b", "listing_id": "a"},
        {"user_id": 7, "listing_id": "a"}, GOOD | {"action": "sing"}, GOOD | {"duration_s": -1}, GOOD | {"duration_s": 1e308},
        GOOD | {"timestamp": "soon"}, GOOD | {"timestamp": "2200-01-01"}, GOOD | {"position": 3}, GOOD | {"color": 1},
        [], "text", [GOOD] * 1001, [7], [GOOD, {"user_id": "u"}, GOOD], [GOOD, GOOD | {"action": "sing"}],
    ):  # fmt: skip
        response = service.post("/events", json=body)
        assert response.status_code == 422 and response.json()["error"].endswith("."), body
    for headers in (
        {"content-type": "text/plain;x=json"},
        {"content-type": "multipart/form-data; boundary=json"},
        {
            "content-type": "application/json",
            "origin": "http://evil.example.com",
        },  # from a page of another site
        {"content-type": "application/json", "sec-fetch-site": "cross-site"},
    ):
        response = service.post("/events", content=json.dumps(GOOD), headers=headers)
        assert response.status_code in (403, 422), headers
    assert not stored_events(tmp_path / "events")


USER = 3
HOUR = 3600 * 10**9


def events_of_run(run, before: int | None) -> list[tuple[int, Event]]:
    log, rows = run.log, range(run.log.start[USER], run.log.start[USER + 1])
    return [
        (
            int(log.time[row]),
            Event(
                run.listing_ids[log.listing[row]],
                log.actions[log.action[row]] if log.action[row] >= 0 else None,
                None if np.isnan(log.duration[row]) else float(log.duration[row]),
            ),
        )
        for row in rows
        if before is None or log.time[row] < before
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_history_is_what_the_run_has_and_what_was_posted_before_the_moment_each_once(
    trained, seed, tmp_path
):
    """Against a slow twin, of events in any order, some at one moment, some on listings that the run does not have."""
    rng = np.random.default_rng(seed)
    log, user = PostedEventLog(tmp_path, lambda: trained), trained.log.users[USER]
    stored = events_of_run(trained, None)
    moments = [at for at, _ in stored] + (stored[0][0] + rng.integers(-9, 900, 12) * HOUR).tolist()
    posted = [(stored[0][0], *stored[0][1])]  # one that the run has
    for _ in range(25):
        listing = str(rng.choice([*trained.listing_ids[:6], "not there yet"]))
        action = [None, "view", "an action of tomorrow"][rng.integers(3)]
        posted.append((int(rng.choice(moments)), listing, action, [None, 9.5][rng.integers(2)]))
    names = (C.TIMESTAMP, C.LISTING, C.ACTION, C.DURATION)
    rows = [
        {C.USER: user} | dict(zip(names, (str(pd.Timestamp(at)), *rest), strict=True)) for at, *rest in posted
    ]
    log.append([rows])
    (read,) = log.read_users([user])
    for before in (None, *sorted(moments)[::4]):
        expected = events_of_run(trained, before)
        count = len(expected)
        for at, listing, action, seconds in sorted(posted, key=lambda one: one[0]):
            event = Event(listing, action if action in trained.log.actions else None, seconds)
            is_early = before is None or at < before
            known = {(moment, other.listing, other.action) for moment, other in expected}
            if is_early and listing in trained.listing_row and (at, listing, event.action) not in known:
                expected.append((at, event))
        expected = (
            [event for _, event in sorted(expected, key=lambda one: one[0])] if len(expected) > count else []
        )
        assert join_history(trained, user, read, before) == expected


def test_events_without_a_time_get_times_of_their_own_and_the_newest_count(trained, tmp_path, monkeypatch):
    log, event = PostedEventLog(tmp_path, lambda: trained), {C.USER: "v", C.LISTING: trained.listing_ids[0]}
    now = time.time_ns()
    monkeypatch.setattr(module.time, "time_ns", lambda: now)  # a clock that stands still
    log.append([[event, event], [event | {"event_id": "e"}, event | {"event_id": "e"}]])
    moments = [one[C.TIMESTAMP] for one in stored_events(tmp_path)]
    assert len(set(moments)) == len(moments) == 3
    monkeypatch.setattr(module, "MAX_USER_EVENTS", 2)
    assert [row.timestamp for row in log.read_users(["v"])[0]] == moments[1:]


def test_a_service_over_a_market_of_positions_takes_no_events(tiny_market, tmp_path):
    market, untimed = tiny_market(photos=0), tmp_path / "run"
    events = pd.read_parquet(market / "events.parquet")
    events.rename(columns={C.TIMESTAMP: C.POSITION}).assign(position=range(len(events))).to_parquet(
        market / "events.parquet"
    )
    embed_market(Market.open(market), untimed, None)
    assert (
        "--events" in vibes("serve", untimed, "--port", "0", "--events", tmp_path / "events", check=2).stderr
    )


@pytest.mark.parametrize("ahead", [0, AHEAD_S - 5, AHEAD_S + 60])
def test_a_clock_may_be_ahead_by_a_minute(trained, ahead):
    at = pd.Timestamp(time.time_ns() + ahead * 10**9, tz="UTC").isoformat()
    event = PostedEvent(**GOOD, timestamp=at)
    if ahead <= AHEAD_S:
        (row,) = event_rows([event], trained.market)
        assert pd.Timestamp(row[C.TIMESTAMP]) == pd.Timestamp(at)
    else:
        with pytest.raises(Exception, match="future"):
            event_rows([event], trained.market)


def test_the_times_of_a_post_are_read_at_once_and_each_as_if_it_were_alone(trained):
    texts = [
        "2024-06-01T00:00:00Z",
        "1717200000",
        "1717200000000",
        " 01.06.2024 00:00 ",
        "2024-06-01 02:00+02:00",
    ]
    begin = time.process_time()
    rows = event_rows([PostedEvent(**GOOD, timestamp=text) for text in texts * 200], trained.market)
    assert time.process_time() - begin < 3  # 11 s where each is read alone
    assert {pd.Timestamp(row[C.TIMESTAMP]) for row in rows} == {pd.Timestamp("2024-06-01", tz="UTC")}
    events = [PostedEvent(**GOOD, timestamp=text) for text in (*texts, "1500-01-01", "now")]
    with pytest.raises(VibesError, match="Event 6 of 7: timestamp is '1500-01-01'"):
        event_rows(events, trained.market)


A, B = Maker("a", 2, "model"), Maker("b", 0, "model + recency")


def impression(number: int, listings: list[str], **more) -> dict:
    given = {"makers": [A], "user": f"u{number}", "rules": Rules()} | more
    scores = [0.5 - place / 10 for place in range(len(listings))]
    row = impression_row(f"r{number}", query=None, listings=listings, scores=scores, **given)
    return row | {"time": 1_700_000_000_000_000 + number}


def test_a_response_is_one_row_a_listing(tmp_path):
    log = ImpressionLog(tmp_path)
    assert read_impressions(tmp_path).empty
    log.append([impression(1, ["x", "y"]), impression(2, [], user=None, rules=Rules(where=("rooms>=3",)))])
    log.append([impression(3, ["x"], teams=[1], makers=[A, B])])
    log.append([impression(4, ["p", "q", "r"], teams=[1, -1, 0], makers=[A, B])])
    assert log.database.path.stat().st_mode & 0o777 == 0o600  # it names users
    log.database.close()
    table = read_impressions(tmp_path)
    assert {name: str(table[name].dtype) for name in table} == COLUMNS
    assert table["request_id"].tolist() == ["r1", "r1", "r2", "r3", "r4", "r4", "r4"]
    assert table[C.LISTING].fillna("-").tolist() == ["x", "y", "-", "x", "p", "q", "r"]
    assert table["position"].fillna(0).tolist() == [1, 2, 0, 1, 1, 2, 3]
    assert table["arm"].fillna("-").tolist() == ["-", "-", "-", "B", "B", "-", "A"]
    assert table["tried"].tolist() == [False, False, False, True, True, True, True]
    assert table["run"].tolist() == ["a", "a", "a", "b", "b", "a", "a"]
    assert table["scorer"][3] == "model + recency"
    assert table["version"].tolist() == [2, 2, 2, 0, 0, 2, 2]
    assert table["rules"][2] == '{"where":["rooms>=3"]}' and pd.isna(table[C.USER][2])
    assert table["time"][0] == pd.Timestamp("2023-11-14T22:13:20.000001Z")
    assert abs(table["score"][1] - 0.4) < 1e-6
    with sqlite3.connect(tmp_path / "service.sqlite") as base:
        base.execute("UPDATE vibes_impressions SET answer = '{' WHERE request_id = 'r1'")
    with pytest.raises(VibesError, match="damaged"):
        read_impressions(tmp_path)


def test_a_response_has_an_id_and_is_recorded_when_it_is_given(trained, tmp_path):
    run, shown = trained, tmp_path / "shown"
    with serving(app_of(run.path, tmp_path / "live", shown)) as client:
        user, listing = run.log.users[3], run.listing_ids[7]
        responses = [
            client.get(f"/recommend/{user}?k=4&at_most=2&seller=building"),
            client.get(f"/similar/{listing}?k=3&space=attributes"),
            client.post("/recommend", json={"history": [listing], "user_id": "me", "k": 2}),
            client.get(f"/recommend/{user}?k=1&explain=1"),
        ]
        table = read_impressions(shown)
        for response in responses:
            document = response.json()
            mine = table[table["request_id"] == document["request_id"]]
            assert mine[C.LISTING].tolist() == [row["listing_id"] for row in document["results"]]
            assert mine["run"].unique().tolist() == [str(run.path)]
        assert table[C.USER].fillna("-").unique().tolist() == [user, "-", "me"]
        assert set(table["scorer"]) == {"model only", "attributes"}
        assert set(table["kind"]) == {"recommend", "similar"}
        unknown = client.get("/recommend/nobody?k=1").json()
        assert unknown["fallback"] and unknown["request_id"]
        first = responses[0].json()
        event = {"user_id": user, "listing_id": first["results"][1]["listing_id"]}
        for action in ("view", "message"):
            client.post("/events", json=event | {"action": action, "request_id": first["request_id"]})
        joined = read_impressions(shown, tmp_path / "live")
        acted = joined[joined["actions"].notna()]
        assert len(joined) == len(table) + 1 and acted["position"].tolist() == [2]
        assert acted["actions"].tolist() == [["view", "message"]]
        assert (acted["acted_at"] >= acted["time"]).all()
