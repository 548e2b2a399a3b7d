"""Two runs served at once, impressions and events joined, and the verdict."""

import json
import random
import sqlite3
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from helpers.blends import fixed_blend
from helpers.commands import vibes
from helpers.copies import copied
from helpers.serving import app_of, serving
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.blends import save_blends
from listing_vibes.run.rules import Rules
from listing_vibes.serving.event_database import Database
from listing_vibes.serving.events import append_events
from listing_vibes.serving.experiment import (
    LEVEL,
    A,
    Arm,
    B,
    Setup,
    always_valid,
    begin_experiment,
    experiment,
    log_evidence,
    read_setup,
)
from listing_vibes.serving.impressions import ImpressionLog, Maker, impression_row, read_impressions
from listing_vibes.serving.places import FILE
from listing_vibes.serving.service.interleaving import BOTH, answer_by_both, draft
from listing_vibes.serving.service.lists import CurrentRun, ListRequest, ServedList
from listing_vibes.serving.service.models import RankedListing, RecommendQuery, Results, SimilarQuery
from listing_vibes.serving.service.server import ServiceSettings, serve

RULES = {"live_only": False}


@pytest.fixture(scope="module")
def second(trained, tmp_path_factory):
    """The same model with another blend."""
    run = copied(trained, tmp_path_factory.mktemp("second"))
    save_blends(run.path, [fixed_blend("recency", recent=2.0)])
    return run


def app(trained, second, folder):
    setup = Setup(
        a=Arm(run=str(trained.path)), b=Arm(run=str(second.path), blend="recency"), events=str(folder / "live")
    )  # fmt: skip
    setup = begin_experiment(folder / "shown", setup)
    experiment = setup, CurrentRun(second.path, "recency")
    return app_of(trained.path, folder / "live", folder / "shown", experiment=experiment), setup


def recommended(run, user: object, k: int, blend: str | None = None) -> list[str]:
    return run.recommend(user, k, rules=RULES, blend=blend)[C.LISTING].tolist()


@pytest.mark.slow
def test_interleaved_lists_are_of_both_and_the_first_event_decides(trained, second, tmp_path):
    service, _ = app(trained, second, tmp_path)
    users = trained.log.users[:12]
    with serving(service) as client:

        def post(user: str, listing: str, request_id: str, action: str = "view") -> None:
            event = {"user_id": user, "listing_id": listing, "request_id": request_id, "action": action}
            assert client.post("/events", json=event).is_success

        lists = {user: client.get(f"/recommend/{user}?k=6&live_only=false").json() for user in users}
        shown = read_impressions(tmp_path / "shown").set_index("request_id")
        for user, response in lists.items():
            mine = shown.loc[response["request_id"]]
            a, b = recommended(trained, user, 6), recommended(second, user, 6, "recency")
            assert mine[C.LISTING].tolist() == [row["listing_id"] for row in response["results"]]
            assert len(mine) == 6 and set(mine[C.LISTING]) <= {*a, *b}
            for row in mine.itertuples():
                assert pd.isna(row.arm) or row.listing_id in {A: a, B: b}[row.arm]
                assert row.scorer == ("model + recency" if row.arm == B else "model only")
        best = {}
        for user, response in lists.items():
            mine = shown.loc[response["request_id"]]
            best[user] = {arm: mine[C.LISTING][mine["arm"] == arm].iloc[0] for arm in (A, B)}
        for number, user in enumerate(users):
            request_id = lists[user]["request_id"]
            arm = A if number == 3 else B
            post(user, best[user][arm], request_id, "hide" if number == 11 else "view")  # a hide is no win
        post(users[3], best[users[3]][B], lists[users[3]]["request_id"])  # later
        post(users[3], best[users[3]][B], "of another service")
        assert client.get(f"/similar/{trained.listing_ids[0]}?k=2").json()["request_id"]
        of_a = client.get(f"/recommend/{users[0]}?k=6&blend=nothing&live_only=false").json()
        after = read_impressions(tmp_path / "shown").set_index("request_id")
        assert after["arm"][of_a["request_id"]].isna().all()
    found = experiment(tmp_path / "shown")
    document = found.to_dict()
    assert document["wins"] == {A: 1, B: 10} and document["responses"] == 12
    assert document["events"] == {"joined": 12, "all": 13}
    assert document["verdict"] is None and document["difference"]["value"] == pytest.approx(9 / 11)
    assert document["difference"]["low"] < 0 < document["difference"]["high"]
    assert vibes("experiment", tmp_path / "shown").stdout.strip() == repr(found)
    assert json.loads(vibes("experiment", tmp_path / "shown", "--json").stdout) == document
    vibes("experiment", tmp_path / "shown", "--action", "message", check=2)


@pytest.mark.slow
def test_an_interleaved_list_keeps_a_rule_that_both_lists_keep(trained, second, tmp_path):
    service, _ = app(trained, second, tmp_path)
    seller = trained.market.listings.set_index(C.LISTING)["building"]
    with serving(service) as client:
        for user in trained.log.users[:3]:
            query = "k=8&at_most=2&seller=building&live_only=false&explain=1"
            results = client.get(f"/recommend/{user}?{query}").json()["results"]
            assert seller[[row["listing_id"] for row in results]].value_counts().max() <= 2
            assert all("explanation" in row for row in results)
        assert client.get("/recommend/nobody").json()["fallback"] is True


def record(folder, at, *responses):
    """Impressions of the listings x and y: their id, kind, teams and makers."""
    log = ImpressionLog(folder)
    log.append(
        [
            impression_row(one, one, None, Rules(), [Maker(name, 0, "model") for name in makers], ["x", "y"], [0.5, 0.4], teams)
            | {"time": at + number, "kind": kind}
            for number, (one, kind, teams, makers) in enumerate(responses)
        ]
    )  # fmt: skip
    log.database.close()


def begin(folder, events) -> None:
    begin_experiment(folder, Setup(a=Arm(run="a"), b=Arm(run="b"), events=str(events)))


def test_only_responses_of_the_experiment_count(tmp_path):
    at, shown, live = 1_750_000_000_000_000, tmp_path / "shown", tmp_path / "live"
    record(shown, at, ("before", "recommend", None, "a"))
    begin(shown, live)
    responses = [
        ("both", "recommend", [0, 1], "ab"),
        ("same", "recommend", [-1, -1], "ab"),
        ("early", "recommend", [0, 1], "ab"),
        ("of A", "recommend", None, "a"),
        ("similar", "similar", None, "a"),
    ]
    record(shown, at + 10_000_000, *responses)
    acted = {"both": 12, "same": 13, "early": 1, "of A": 14, "similar": 15, "elsewhere": 16}
    events = [
        {C.LISTING: "y", "request_id": one, C.TIMESTAMP: str(np.datetime64(at + 10**6 * s, "us"))}
        for one, s in acted.items()
    ]
    append_events(Database(live, "--events", create=True), [events])
    found = experiment(shown)
    assert found.responses == 3 and found.events == (5, 6)
    assert found.decisions["request_id"].tolist() == ["both"] and found.decisions["arm"].tolist() == [B]


def test_a_verdict_has_its_interval(tmp_path):
    shown, live = tmp_path / "shown", tmp_path / "live"
    ImpressionLog(shown).database.close()
    with pytest.raises(VibesError, match="start one"):
        experiment(shown)
    begin(shown, live)
    record(shown, 10**15, ("r", "recommend", [0, 1], "ab"))
    Database(live, "--events", create=True).close()
    empty = experiment(shown)
    assert empty.verdict is None and empty.to_dict()["difference"]["value"] is None and repr(empty)
    rng = np.random.default_rng(0)
    for share, verdict in ((0.65, B), (0.35, A)):
        decisions = pd.DataFrame({"arm": np.where(rng.random(800) < share, B, A)})
        found = replace(empty, decisions=decisions, responses=2000)
        document = found.to_dict()
        low, high = document["difference"]["low"], document["difference"]["high"]
        assert found.verdict == verdict and low < 2 * share - 1 < high and (low > 0) == (share > 0.5)
    with sqlite3.connect(shown / FILE) as base:
        base.execute("UPDATE vibes_state SET value = '{' WHERE name = 'experiment'")
    with pytest.raises(VibesError, match="choose another place"):
        experiment(shown)


def test_a_run_over_another_market_is_refused(trained, bare, tmp_path):
    settings = ServiceSettings(trained.path, impressions=str(tmp_path / "shown"), other=bare.path)
    with pytest.raises(VibesError, match="another market"):
        serve(settings, ready=lambda url: pytest.fail("it listens"))
    assert not (tmp_path / "shown").exists() or read_setup(tmp_path / "shown") is None


RANKING = st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=10)


class Coins:
    """Coins that fall as given."""

    def __init__(self, falls: list[int]) -> None:
        self.falls = iter(falls)

    def getrandbits(self, _: int) -> int:
        return next(self.falls)


def test_captains_pick_in_turns_and_what_both_would_pick_has_no_team():
    lists = (["a", "b", "c", "d"], ["a", "c", "b", "e"])
    assert draft(lists, 5, Coins([1, 0])) == [
        ("a", BOTH), ("c", 1), ("b", 0), ("d", 0), ("e", 1)
    ]  # fmt: skip
    assert draft(lists, 2, Coins([0])) == [("a", BOTH), ("b", 0)]
    lists = (["a"], ["b", "c", "d"])
    assert draft(lists, 9, Coins([0])) == [("a", 0), ("b", 1), ("c", BOTH), ("d", BOTH)]


@given(RANKING, RANKING, st.integers(1, 12), st.integers(0, 99))
def test_every_list_is_complete_and_swapping_the_captains_swaps_the_teams(one, two, k, seed):
    listings = [listing for listing, _ in draft((one, two), k, random.Random(seed))]
    assert len(set(listings)) == len(listings) == min(k, len({*one, *two}))
    coins = random.Random(seed)
    falls = [coins.getrandbits(1) for _ in range(20)]
    other = draft((two, one), k, Coins([1 - fall for fall in falls]))
    swapped = [(listing, BOTH if team == BOTH else 1 - team) for listing, team in other]
    assert swapped == draft((one, two), k, Coins(falls))
    sides = [team for _, team in swapped]
    assert abs(sides.count(0) - sides.count(1)) <= 1


def test_where_one_run_alone_can_answer_its_list_is_of_no_experiment():
    """And similar listings, and requests that name a blend, are of A."""
    setup = Setup(a=Arm(run="a"), b=Arm(run="b"))
    problem = VibesError("no.")
    results = Results(results=[RankedListing(listing_id="x", score=0.5)])
    lists = {name: ServedList(results, (Maker(name, 0, "model only"),)) for name in "ab"}

    def answer(of_a, of_b, request):
        states = [
            SimpleNamespace(
                run=SimpleNamespace(listing_row={}),
                answer=lambda requests, mine=mine: [mine for _ in requests],
            )
            for mine in (of_a, of_b)
        ]
        return answer_by_both(setup, *states, [request])[0]

    request = ListRequest(RecommendQuery(), "u", "r")
    assert answer(problem, lists["b"], request) == lists["b"]
    assert answer(lists["a"], problem, request) == lists["a"]
    assert answer(problem, problem, request) is problem
    drafted = answer(lists["a"], lists["b"], request)
    assert drafted.teams == [BOTH] and [maker.run for maker in drafted.makers] == ["a", "b"]
    for query in (SimilarQuery(), RecommendQuery(blend="recency")):
        assert answer(lists["a"], lists["b"], ListRequest(query, "x")) == lists["a"]


@pytest.mark.parametrize("null", [0.5, 0.2])
def test_with_a_look_at_every_step_no_more_than_one_in_twenty_is_a_false_alarm(null):
    outcomes = np.random.default_rng(0).random((600, 1000)) < null
    wins, count = outcomes.cumsum(axis=1), np.arange(1, 1001)
    alarms = (log_evidence(wins, count, null, null) >= -np.log1p(-LEVEL)).any(axis=1)
    assert 0 < alarms.mean() <= 0.05


def test_the_evidence_has_a_mean_of_one_where_the_null_is_true():
    count, wins = 40, np.arange(41)
    evidence = np.exp(log_evidence(wins, np.full(41, count), 0.3, 0.3))
    assert np.isclose((binom.pmf(wins, count, 0.3) * evidence).sum(), 1)


def test_interval_and_p_value_say_the_same_and_narrow_with_time():
    outcomes = np.random.default_rng(1).random(1500) < 0.58
    widths, alarmed = [], False
    for count in (0, 1, 50, 400, 1500):
        found = always_valid(outcomes[:count])
        alarmed |= found.p_value <= 0.05
        assert count or (found.value, found.low, found.high, found.p_value) == (None, 0, 1, 1)
        assert alarmed == (not found.low < 0.5 < found.high)
        widths.append(found.high - found.low)
    assert alarmed and widths == sorted(widths, reverse=True) and found.low < 0.58 < found.high
    assert found.value == outcomes.mean()


def test_an_interval_holds_what_the_evidence_has_never_ruled_out():
    rng = np.random.default_rng(2)
    for truth in (0.05, 0.4, 0.7, 0.7, 0.7, 0.98):
        outcomes = rng.random(500) < truth
        found, wins, count = always_valid(outcomes), outcomes.cumsum(), np.arange(1, 501)
        for share in np.linspace(0.005, 0.995, 199):
            never = log_evidence(wins, count, share, 0.5).max() < -np.log1p(-LEVEL)
            assert never == (found.low < share < found.high), share
