"""Recorded responses: one row per listing, with what users did on it."""

import sqlite3

import pandas as pd
import pytest

from helpers.serving import app_of, serving
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.rules import Rules
from listing_vibes.serving.impressions import COLUMNS, Impression, ImpressionLog, Maker, read_impressions

A, B = Maker("a", 2, "model"), Maker("b", 0, "model + recency")


def impression(number: int, listings: list[str], **more) -> Impression:
    given = {"makers": [A], "user": f"u{number}", "rules": Rules()} | more
    return Impression(
        request_id=f"r{number}", at=1_700_000_000_000_000 + number, kind="recommend", query=None,
        listings=listings, scores=[0.5 - place / 10 for place in range(len(listings))], **given,
    )  # fmt: skip


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
