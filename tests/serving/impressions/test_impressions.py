"""What is shown is kept: every answer, whatever happens to the service, with what users did on it."""

import http.client
import itertools
import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pyarrow.parquet as pq
import pytest

from helpers.copies import copied
from helpers.serving import ask, running, serving
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.user_names import UserNames
from listing_vibes.run.rules import Rules
from listing_vibes.serving.forget.forget import forget
from listing_vibes.serving.impressions import keeper as module
from listing_vibes.serving.impressions.answer import Maker, Shown
from listing_vibes.serving.impressions.keeper import Impressions
from listing_vibes.serving.impressions.tables import SCHEMA, read_impressions
from listing_vibes.serving.service import desk
from listing_vibes.serving.service.api import REQUEST_ID, Options, make_app
from listing_vibes.serving.service.newest import NewestState
from listing_vibes.serving.service.requests import Recommend, Similar
from listing_vibes.serving.service.server import serve

A, B = Maker("a", 2, "model"), Maker("b", 0, "model only + recency")


def shown(number: int, listings: list[str], **more) -> Shown:
    told = {"makers": [A], "user": f"u{number}", "rules": Rules()} | more
    return Shown(
        request_id=f"r{number}", at=1_700_000_000_000_000 + number, kind="recommend", query=None,
        listings=listings, scores=[0.5 - place / 10 for place in range(len(listings))], **told,
    )  # fmt: skip


def test_an_answer_is_one_row_a_listing_before_and_after_its_journal_is_a_table(tmp_path):
    kept = Impressions(tmp_path)
    kept.keep([shown(1, ["x", "y"]), shown(2, [], user=None, rules=Rules(where=("rooms>=3",)))])
    kept.keep(
        [shown(3, ["x"], arm="B", makers=[B]), shown(4, ["p", "q", "r"], teams=[1, -1, 0], makers=[A, B])]
    )
    (journal,) = tmp_path.glob("*.jsonl")
    with journal.open("ab") as stream:
        stream.write(b'{"request_id": "torn", "listings": ["x"')
    before = read_impressions(tmp_path)
    kept.close()
    assert [path.suffix for path in tmp_path.iterdir() if path.name[0] != "."] == [".parquet"]
    (table,) = tmp_path.glob("*.parquet")
    assert table.stat().st_mode & 0o777 == 0o600  # it tells of users
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
    assert not list((tmp_path / "shown").glob("*.jsonl"))


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
    assert sorted(rows for path, rows in gone.items() if "shown" in path) == [1, 2]
    assert read_impressions(folder)[C.USER].unique().tolist() == [names.of(run.log.users[1])]


def test_journals_become_tables_when_they_are_large_and_those_of_the_dead_are_adopted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EVERY_S", 0.02)
    (tmp_path / "impressions-20260101T000000-0badcafe.jsonl").write_bytes(shown(0, ["x"]).line() + b"\n{to")
    one, two = Impressions(tmp_path, most_bytes=2000), Impressions(tmp_path)
    for kept in (one, two):
        kept.start()
    for number in range(1, 41):
        (one, two)[number % 2].keep([shown(number, ["x", "y"])])
        if number % 10 == 0:
            time.sleep(0.06)
    assert len(list(tmp_path.glob("*.parquet"))) >= 2  # of the dead, and of the one that grew
    for kept in (one, two):
        kept.close()
    assert not list(tmp_path.glob("*.jsonl"))
    assert read_impressions(tmp_path)["request_id"].unique().tolist() == [f"r{n}" for n in range(41)]


def test_what_died_between_table_and_journal_counts_once(tmp_path):
    kept = Impressions(tmp_path)
    kept.keep([shown(1, ["x", "y"])])
    (journal,) = tmp_path.glob("*.jsonl")
    content = journal.read_bytes()
    kept.close()
    journal.write_bytes(content)
    with atomic_path(tmp_path / "a") as left:
        pass
    left.write_bytes(b"half a table")
    assert len(read_impressions(tmp_path)) == 2
    again = Impressions(tmp_path)
    again.close()
    assert not list(tmp_path.glob("*.jsonl")) and len(read_impressions(tmp_path)) == 2


def test_a_disk_that_takes_nothing_costs_the_id_and_not_the_answer(trained, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.Segments, "_ready", full)
    with serving(make_app(NewestState(trained.path), Options(pause=0), Impressions(tmp_path))) as client:
        answer = client.get(f"/recommend/{trained.log.users[0]}?k=2")
        assert answer.status_code == 200 and len(answer.json()["results"]) == 2
        assert "request_id" not in answer.json() and REQUEST_ID not in answer.headers
        assert "vibes_unkept_answers_total 1.0" in client.get("/metrics").text


def test_what_cannot_be_is_one_sentence(trained, tmp_path):
    with pytest.raises(VibesError, match="are not apart; choose two folders"):
        serve(trained.path, events=tmp_path, impressions=tmp_path / "shown")
    with pytest.raises(VibesError, match="say with --impressions DIR"):
        serve(trained.path, hash_users=True)
    with pytest.raises(VibesError, match="There is no folder"):
        read_impressions(tmp_path / "nowhere")
    (tmp_path / "impressions-1.parquet").write_bytes(b"no table")
    with pytest.raises(VibesError, match=r"impressions-1\.parquet cannot be read"):
        read_impressions(tmp_path)


@pytest.mark.slow
def test_a_service_that_is_killed_under_load_loses_no_answer_and_no_event(trained, tmp_path):
    """Two services over the same folders; clients ask, and post what they did; the services are killed in the middle of it,
    and started again twice."""
    answered: dict[str, list[str]] = {}
    took: list[str] = []
    options = ("--events", str(tmp_path / "live"), "--impressions", str(tmp_path / "shown"), "--wait-ms", "0")

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
            assert not list((tmp_path / "shown").glob("*.jsonl"))
        found = read_impressions(tmp_path / "shown", tmp_path / "live")
        lists = found.groupby("request_id", sort=False)[C.LISTING].agg(list).to_dict()
        assert {name: lists.get(name) for name in answered} == answered
        assert found["actions"].notna().sum() >= len(took)
    written = [path.read_bytes() for path in (tmp_path / "live").glob("*.jsonl")]
    there = [
        json.loads(line)["event_id"]
        for content in written
        for line in content[: content.rfind(b"\n") + 1].splitlines()
    ]
    assert set(took) <= set(there) and len(there) == len(set(there))
    tables = sum(pq.read_metadata(path).num_rows for path in (tmp_path / "shown").glob("*.parquet"))
    assert tables == len(found)


def test_a_journal_without_a_line_is_removed(tmp_path, caplog):
    (tmp_path / "impressions-20260101T000000-0badcafe.jsonl").write_bytes(b'{"request_id": "to')
    Impressions(tmp_path).close()
    assert not list(tmp_path.glob("impressions-*")) and not caplog.records
