"""Two runs served at once, what was shown and done joined, and the verdict."""

import json
import sqlite3
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers.commands import vibes
from helpers.copies import copied
from helpers.serving import ask, running, serving
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.fits import NOTHING, Fit, save_fits
from listing_vibes.run.rules import Rules
from listing_vibes.serving.database import FILE
from listing_vibes.serving.experiment.setup import A, Arm, B, Setup, begin, setup_of
from listing_vibes.serving.experiment.trial import Trial, Tried
from listing_vibes.serving.experiment.verdict import experiment
from listing_vibes.serving.impressions.answer import Maker, Shown
from listing_vibes.serving.impressions.recorder import Impressions
from listing_vibes.serving.impressions.tables import read_impressions
from listing_vibes.serving.service.api import Options, make_app
from listing_vibes.serving.service.desk import _scorer, _shown
from listing_vibes.serving.service.newest import NewestState
from listing_vibes.serving.service.requests import Found, Recommend
from listing_vibes.serving.service.server import ServiceSettings, serve
from listing_vibes.serving.store import Store


@pytest.fixture(scope="module")
def second(trained, tmp_path_factory):
    """The same model with another order of things beside it."""
    run = copied(trained, tmp_path_factory.mktemp("second"))
    save_fits(run.path, [Fit(name="model only + recency", weight=2.0, days=200)])
    return run


def app(trained, second, folder, **design):
    wanted = Setup(
        a=Arm(run=str(trained.path)), b=Arm(run=str(second.path), beside="recency"),
        events=str(folder / "live"), **design,
    )  # fmt: skip
    kept = Impressions(folder / "shown")
    a, b = NewestState(trained.path, events=folder / "live"), NewestState(second.path, "recency")
    b.knows_of(a.live)
    setup = begin(folder / "shown", wanted)
    return make_app(a, Options(pause=0), kept, Trial(setup, a, b)), setup


@pytest.mark.slow
def test_interleaved_lists_are_of_both_and_the_first_event_decides(trained, second, tmp_path):
    service, _ = app(trained, second, tmp_path, design="interleave")
    users = trained.log.users[:12]
    with serving(service) as client:
        answers = {user: client.get(f"/recommend/{user}?k=6&live_only=false").json() for user in users}
        rules = {"live_only": False}
        shown = read_impressions(tmp_path / "shown")
        for user, answer in answers.items():
            mine = shown[shown["request_id"] == answer["request_id"]]
            a = trained.recommend(user, 6, rules=rules)[C.LISTING].tolist()
            b = second.recommend(user, 6, rules=rules, beside="recency")[C.LISTING].tolist()
            assert mine[C.LISTING].tolist() == [one["listing_id"] for one in answer["results"]]
            assert len(mine) == 6 and set(mine[C.LISTING]) <= {*a, *b}
            for row in mine.itertuples():
                assert pd.isna(row.arm) or row.listing_id in {A: a, B: b}[row.arm]
                assert row.scorer == ("model only + recency" if row.arm == B else "model only")
            if a[0] == b[0]:
                assert pd.isna(mine["arm"].iloc[0])
        chosen = {}
        for user, arm in zip(users, [B, B, B, A, B, B, B, B, B, B, B], strict=False):
            mine = shown[(shown["request_id"] == answers[user]["request_id"]) & (shown["arm"] == arm)]
            chosen[user] = mine[C.LISTING].iloc[0]
            body = {"user_id": user, "listing_id": chosen[user], "action": "view"}
            client.post("/events", json=body | {"request_id": answers[user]["request_id"]})
        other = shown[(shown["request_id"] == answers[users[3]]["request_id"]) & (shown["arm"] == B)][
            C.LISTING
        ].iloc[0]
        hidden = shown[(shown["request_id"] == answers[users[11]]["request_id"]) & shown["arm"].notna()]
        body = {
            "user_id": users[11],
            "listing_id": hidden[C.LISTING].iloc[0],
            "action": "hide",
        }  # no win for anybody
        client.post("/events", json=body | {"request_id": answers[users[11]]["request_id"]})
        later = {"user_id": users[3], "listing_id": other, "request_id": answers[users[3]]["request_id"]}
        stray = {"user_id": users[3], "listing_id": other, "request_id": "of another service"}
        client.post("/events", json=[later, stray])
        assert client.get(f"/similar/{trained.listing_ids[0]}?k=2").json()["request_id"]
        alone = client.get(
            f"/recommend/{users[0]}?k=6&with=&live_only=false"
        ).json()  # says itself what it goes by
        assert pd.isna(
            read_impressions(tmp_path / "shown").set_index("request_id")["arm"][alone["request_id"]]
        ).all()
    found = experiment(tmp_path / "shown")
    told = found.to_dict()
    assert told["wins"] == {A: 1, B: 10} and told["units"] == {"of": "answers", "all": 12}
    assert told["events"] == {"joined": 12, "all": 13}
    assert told["verdict"] is None and told["difference"]["value"] == pytest.approx(9 / 11)
    assert told["difference"]["low"] < 0 < told["difference"]["high"] and told["more"]["as_seen"] > 0
    assert [one[C.USER] for one in told["lost"][A]] == [
        user for user in reversed(users[:11]) if user != users[3]
    ]
    (lost,) = told["lost"][B]
    assert lost["chosen"][C.LISTING] == chosen[users[3]] and lost["own"][C.LISTING] == other
    text = repr(found)
    assert "No verdict yet" in text and "11 of 12 answers decided: 1 for A, 10 for B" in text
    assert vibes("experiment", tmp_path / "shown").stdout.strip() == text
    assert json.loads(vibes("experiment", tmp_path / "shown", "--json").stdout) == told
    vibes("experiment", tmp_path / "shown", "--html", tmp_path / "lost.html")
    page = (tmp_path / "lost.html").read_text(encoding="utf-8")
    of_a, of_b = page.split("Lists that A lost, the newest")[1].split("Lists that B lost, the newest")
    assert (of_a.count("chosen, place"), of_b.count("chosen, place")) == (10, 1)
    assert "Lists that A lost, the newest" in page and page.count("chosen, place") == 11 and "{{" not in page
    only = vibes("experiment", tmp_path / "shown", "--action", "message", check=2)
    assert "No event has the action 'message'; give one of: view, hide." in only.stderr


@pytest.mark.slow
def test_split_users_keep_their_run_and_each_counts_once(trained, second, tmp_path):
    service, setup = app(trained, second, tmp_path, design="split", share=0.4)
    rules, users = {"live_only": False}, trained.log.users[:12]
    with serving(service) as client:
        for _ in range(2):
            for user in users:
                answer = client.get(f"/recommend/{user}?k=4&live_only=false").json()
                run, beside = (trained, None) if setup.arm_of(user) == A else (second, "recency")
                known = client.app.state.current.live.history(run, user, None)
                if not known:
                    expected = run.recommend(user, 4, rules=rules, beside=beside)[C.LISTING].tolist()
                    assert [one["listing_id"] for one in answer["results"]] == expected
                body = {"user_id": user, "listing_id": answer["results"][0]["listing_id"]}
                client.post("/events", json=body | {"request_id": answer["request_id"]})
        client.post(
            "/recommend", json={"history": [{"listing_id": trained.listing_ids[3]}], "live_only": False}
        )
    found = experiment(tmp_path / "shown", tmp_path / "live")
    told, arms = found.to_dict(), [setup.arm_of(user) for user in users]
    assert told["wins"] == {arm: arms.count(arm) for arm in (A, B)} and told["decided"] == 12
    assert sum(told["units"][arm] for arm in (A, B)) == 13  # and one of nobody
    assert told["balance_p"] > 0.001 and "users acted" in repr(found)
    assert found.decisions[C.USER].tolist() == users


@pytest.mark.slow
def test_a_verdict_is_told_with_its_interval_and_what_it_would_have_taken(trained, second, tmp_path):
    service, _ = app(trained, second, tmp_path, design="interleave")
    with serving(service) as client:
        client.get(f"/recommend/{trained.log.users[0]}?k=2")
    empty = experiment(tmp_path / "shown")
    assert empty.verdict is None and "nobody has done anything" in repr(empty)
    rng = np.random.default_rng(0)
    for share, verdict in ((0.65, B), (0.35, A)):
        found = replace(empty, outcomes=rng.random(800) < share, units={"all": 2000})
        told = found.to_dict()
        assert found.verdict == verdict and f"{verdict} is better than" in repr(found)
        low, high = told["difference"]["low"], told["difference"]["high"]
        assert low < 2 * share - 1 < high and (low > 0) == (share > 0.5)
        assert told["more"]["as_seen"] is None
    even = replace(empty, outcomes=rng.random(800) < 0.5, units={"all": 2000}).to_dict()["more"]["at"]
    assert list(even) == ["0.02", "0.05", "0.1", "0.2"] and even["0.02"] > even["0.05"] > even["0.1"] > 0
    split = (
        replace(empty.setup, design="split")
        if False
        else empty.setup.model_copy(update={"design": "split", "share": 0.2})
    )
    skewed = replace(empty, setup=split, units={A: 700, B: 300}, balance=1e-9, outcomes=rng.random(200) < 0.3)
    assert "not split as they should be" in repr(skewed)
    assert skewed.difference(skewed.share_at(0.1)) == pytest.approx(0.1)
    assert skewed.difference(0.2) == pytest.approx(0)


@pytest.mark.slow
def test_two_lists_that_keep_a_rule_keep_it_together(trained, second, tmp_path):
    service, _ = app(trained, second, tmp_path, design="interleave")
    seller = {
        one: str(value)
        for one, value in zip(
            *(trained.market.listings[name] for name in (C.LISTING, "building")), strict=True
        )
    }
    with serving(service) as client:
        for user in trained.log.users[:3]:
            found = client.get(
                f"/recommend/{user}?k=8&at_most=2&seller=building&live_only=false&why=1"
            ).json()["results"]
            values = [seller[one["listing_id"]] for one in found]
            assert max(values.count(value) for value in values) <= 2 and all("why" in one for one in found)
        assert client.get("/recommend/nobody").json()["fallback"] is True


def kept(folder, at, *answers):
    """What was shown, an answer each: its id, kind, arm, teams and makers, of the listings x and y."""
    place = Impressions(folder)
    place.keep(
        [
            Shown(one, at + number, kind, one, None, Rules(), [Maker(name, 0, "model") for name in makers], ["x", "y"], [0.5, 0.4], arm, teams)
            for number, (one, kind, arm, teams, makers) in enumerate(answers)
        ]
    )  # fmt: skip
    place.close()


def test_only_answers_of_the_experiment_count(tmp_path):
    at, shown, live = 1_750_000_000_000_000, tmp_path / "shown", tmp_path / "live"
    kept(shown, at, ("before", "recommend", None, None, "a"))
    begin(shown, Setup(design="interleave", a=Arm(run="a"), b=Arm(run="b"), events=str(live)))
    answers = [
        ("both", "recommend", None, [0, 1], "ab"),
        ("same", "recommend", None, [-1, -1], "ab"),
        ("early", "recommend", None, [0, 1], "ab"),
        ("of A", "recommend", None, None, "a"),
        ("alike", "similar", None, None, "a"),
    ]
    kept(shown, at + 10_000_000, *answers)
    events = [("both", 12), ("same", 13), ("early", 1), ("of A", 14), ("alike", 15), ("elsewhere", 16)]
    Store(live, "--events", create=True).append_events(
        [
            [
                {C.LISTING: "y", "request_id": one, C.TIMESTAMP: str(np.datetime64(at + 10**6 * s, "us"))}
                for one, s in events
            ]
        ]
    )
    found = experiment(shown)
    assert found.units == {"all": 3} and found.events == (5, 6)
    assert found.decisions["request_id"].tolist() == ["both"] and found.outcomes.tolist() == [True]


def test_without_timestamps_the_first_event_on_an_answer_is_told_by_its_position(tmp_path):
    shown, live = tmp_path / "shown", tmp_path / "live"
    begin(shown, Setup(design="interleave", a=Arm(run="a"), b=Arm(run="b"), events=str(live)))
    kept(shown, 10**15, ("r", "recommend", None, [0, 1], "ab"), ("s", "recommend", None, [0, 1], "ab"))
    told = [("r", "z", 12), ("r", "x", 8), ("s", "y", 2), ("r", "y", 7)]
    events = [{"request_id": r, C.LISTING: one, C.POSITION: p} for r, one, p in told]
    Store(live, "--events", create=True).append_events([events], lambda user: -1)
    found = experiment(shown)
    assert found.decisions["acted_at"].tolist() == [7, 2] and found.outcomes.tolist() == [True, True]
    assert "  7 r (r) chose y" in repr(found)
    assert read_impressions(shown, live)["acted_at"].fillna(0).tolist() == [8, 7, 0, 2]


def test_where_only_b_can_answer_the_impression_names_b():
    setup, asked = Setup(design="interleave", a=Arm(run="a"), b=Arm(run="b")), Recommend(None, [], Rules())
    found, wrong = Found(["x"], [0.5], []), VibesError("no.")
    trial = Trial(setup, None, None)
    for one, two, alone in ((wrong, found, 1), (found, wrong, 0), (wrong, wrong, 0)):
        tried = trial._interleaved(None, asked, "r", one, two)
        assert tried.alone == alone and tried.teams is None
    runs = [
        SimpleNamespace(
            beside=None, run=SimpleNamespace(path=name, generation=0, additions=lambda beside: None)
        )
        for name in "ab"
    ]
    made = _shown(asked, found, Tried(found, alone=1), *runs, 0, _scorer)
    assert [(one.run, one.scorer) for one in made.makers] == [("b", "model only")]


def test_an_impression_names_what_was_added_unasked_and_not_what_was_asked_away():
    unasked = SimpleNamespace(
        fit=Fit(name="default ranking", space="attributes", share=0.5, days=60, weight=1.2)
    )
    run = SimpleNamespace(additions=lambda beside: None if beside == NOTHING else unasked)
    served = SimpleNamespace(beside=None, run=run)
    for beside, told in (
        (None, "model only + neighbors + recency"),
        ("", "model only"),
        (NOTHING, "model only"),
    ):
        assert _scorer(served, False, beside) == told


def test_a_folder_has_one_experiment(trained, second, tmp_path):
    one = Setup(design="interleave", a=Arm(run="a"), b=Arm(run="b"))
    first = begin(tmp_path, one)
    assert begin(tmp_path, Setup(design="interleave", a=Arm(run="a"), b=Arm(run="b"))) == first
    with pytest.raises(VibesError, match="has the experiment 'A: a, B: b, interleaved'; go on with that"):
        begin(tmp_path, Setup(design="split", a=Arm(run="a"), b=Arm(run="b")))
    with pytest.raises(VibesError, match="has its events in ''"):
        begin(tmp_path, one.model_copy(update={"events": "live"}))
    with sqlite3.connect(tmp_path / FILE) as base:
        base.execute("UPDATE vibes_state SET value = '{' WHERE name = 'experiment'")
    with pytest.raises(VibesError, match="restore it from a copy"):
        experiment(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{b}"], "either with --interleave or with --split SHARE"),
        (["{b}", "--interleave", "--split", "0.5"], "either with --interleave or with --split SHARE"),
        (["--interleave"], "give the second one, too"),
        (["{b}", "--interleave"], "say with --impressions PLACE"),
        (["{b}", "--split", "1.5", "--impressions", "{dir}"], "Option --split is 1.5; give the share"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(trained, second, tmp_path, arguments, told):
    filled = [one.format(b=second.path, dir=tmp_path) for one in arguments]
    assert told in vibes("serve", trained.path, *filled, "--port", "0", check=2).stderr


def test_a_run_over_another_market_is_not_tried(trained, bare, tmp_path):
    settings = ServiceSettings(trained.path, impressions=str(tmp_path / "shown"), other=bare.path, split=0.5)
    with pytest.raises(VibesError, match=r"is over another market than .*vibes embed"):
        serve(settings, ready=lambda url: pytest.fail("it listens"))
    assert not (tmp_path / "shown").exists() or setup_of(tmp_path / "shown") is None


def test_a_folder_without_an_experiment_is_one_sentence(trained, tmp_path):
    Impressions(tmp_path).close()
    with pytest.raises(VibesError, match="begins one"):
        experiment(tmp_path)
    with pytest.raises(VibesError, match="say with --impressions"):
        serve(ServiceSettings(trained.path, other=trained.path))


@pytest.mark.slow
def test_served_to_people_who_like_what_b_puts_there_b_is_found_better(trained, second, tmp_path):
    """The real server, restarted half-way; its users open what recency put there four times of five."""
    rng = np.random.default_rng(0)
    options = (
        str(second.path), "--other-blend", "recency", "--interleave",
        "--events", str(tmp_path / "live"), "--impressions", str(tmp_path / "shown"),
    )  # fmt: skip
    for turn in range(2):
        with running(trained.path, *options) as (process, address):
            for number in range(150):
                user = f"visitor {turn} {number}"
                history = [{"listing_id": trained.listing_ids[one]} for one in rng.integers(0, 120, 3)]
                answer = ask(
                    address, "/recommend", {"history": history, "user_id": user, "k": 6, "live_only": False}
                )
                recent = second.recommend(history, 6, rules={"live_only": False}, beside="recency")[
                    C.LISTING
                ].tolist()
                model = trained.recommend(history, 6, rules={"live_only": False})[C.LISTING].tolist()
                gain = {one: model.index(one) if one in model else 9 for one in recent}
                liked = (
                    max(recent, key=lambda one: gain[one] - recent.index(one))
                    if rng.random() < 0.8
                    else model[0]
                )
                listings = [one["listing_id"] for one in answer["results"]]
                pick = liked if liked in listings else listings[0]
                ask(
                    address,
                    "/events",
                    {"user_id": user, "listing_id": pick, "request_id": answer["request_id"]},
                )
            process.kill()
    found = experiment(tmp_path / "shown")
    assert found.units == {"all": 300} and found.events == (300, 300)
    assert found.verdict == B, repr(found)
