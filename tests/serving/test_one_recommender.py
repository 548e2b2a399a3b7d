"""One question has one answer, whoever asks: Python, command, batch job and service."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import listing_vibes.run.candidates as candidates
import listing_vibes.run.recommender as recommender_module
import listing_vibes.search.approximate as approximate
from helpers.blends import KNN, fixed_blend
from helpers.commands import rules_file
from helpers.copies import change_settings, copied
from helpers.serving import app_of, serving
from listing_vibes.cli import app
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.blends import NO_BLEND, save_blends
from listing_vibes.run.query import Query
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.serving.batch import prepare, score_here

FITS = [
    fixed_blend("recency", recent=0.3),
    fixed_blend("neighbors", attributes=0.6),
    fixed_blend("neighbors+recency", attributes=0.6, recent=0.3, age=-0.1),
    fixed_blend("ids", KNN, ids=0.5),
    fixed_blend("neighbors+recency+ids", KNN, attributes=0.6, ids=0.5, recent=0.3),
]
MOMENTS = [None, "2025-02-20"]

rules = st.builds(
    Rules,
    k=st.integers(1, 12),
    live_only=st.sampled_from([None, False, True]),
    drop_seen=st.sampled_from([None, False]),
    same=st.sampled_from([(), ("district",)]),
    diversity=st.sampled_from([0.0, 0.4]),
    where=st.sampled_from([(), ("price<=900",), ("price>=200", "rooms=2|3|4")]),
    pin=st.sampled_from([(), ("home-0017", "home-0090", "home-0055"), ("building=villa", "home-0017")]),
    block=st.sampled_from([(), ("home-0005", "home-0066")]),
    dial=st.sampled_from([(), ("lighter 1.5 model +home-0003 +home-0010 -home-0020",)]),
    boost=st.sampled_from(
        [(), ("fresh 0.8 20d",), ("near 48.14,11.58 0.5 2.5km", "fresh 0.2 12h"), ("building=villa 0.7",)]
    ),
    owner=st.sampled_from([(), ("building",)]),
    unlike=st.sampled_from([(), ("home-0031", "home-0008")]),
    fill=st.booleans(),
).flatmap(lambda made: st.sampled_from([made, made.model_copy(update={"at_most": 1, "seller": "building"})]))
besides = st.sampled_from([None, NO_BLEND, *(fit.parts for fit in FITS)])
QUICK = settings().max_examples < 20
few = settings(max_examples=6 if QUICK else 10, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param({}, id="plain"),
        pytest.param({"late_interaction": 0.5, "unwanted": ["favourite"]}, marks=pytest.mark.slow, id="late, hides"),
        pytest.param({"blend": fixed_blend(attributes=0.5, recent=1.2)}, marks=pytest.mark.slow, id="blend"),
    ],
)  # fmt: skip
def run(trained, tmp_path_factory, request) -> Run:
    """As it is, with late interaction where an action says "not this", and with a default blend, in float32 on the readable
    model: in bfloat16 a user's vector depends a little on who is encoded with them."""
    path = copied(trained, tmp_path_factory.mktemp("one")).path
    asked = dict(request.param)
    if unwanted := asked.pop("unwanted", None):
        config = path.parent / "market" / "market.toml"
        config.write_text(f"unwanted = {json.dumps(unwanted)}\n{config.read_text('utf-8')}", "utf-8")
    blend = asked.pop("blend", None)
    change_settings(path, {"late_interaction": 0.0} | asked, inference="float32", blend=blend)
    save_blends(path, FITS)
    return Run.open(path)


@pytest.fixture(scope="module", autouse=True)
def opened_once():
    """Every caller opens the run anew, but the tables of its market, which nobody changes, are read once."""
    known = {}
    read = Market.open.__func__

    def once(cls, *told):
        if told not in known:
            known[told] = read(cls, *told)
        return known[told]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Market, "open", classmethod(once))
        yield


@pytest.fixture(scope="module")
def client(run):
    with serving(app_of(run.path)) as client:
        yield client


def options(folder: Path, rules: Rules, at: str | None, blend: str | None = None) -> list[str]:
    """The rules as the command line says them."""
    given = rules.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if blend == "similar":
        given.pop("drop_seen", None)
    words = ["-k", str(rules.k), *rules_file(folder, **given)]
    if at is not None:
        words += ["--at", at]
    return words + (["--blend", blend] if blend not in (None, "similar") else [])


def named(found: list[dict]) -> list[tuple[str, str]]:
    """Ids of a list with what put them there."""
    return [(one["listing_id"], one.get("rule", "")) for one in found]


def of_frame(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return named(frame.to_dict("records"))


def command(*arguments: str) -> list[tuple[str, str]]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.exception
    return named(json.loads(done.stdout))


def asked(client, path: str, rules: Rules, at: str | None, **more) -> list[tuple[str, str]]:
    given = {name: value for name, value in rules.model_dump(by_alias=True).items() if value is not None}
    if at is not None:
        given["at"] = at
    answer = client.get(path, params=given | more)
    assert answer.status_code == 200, answer.json()
    return named(answer.json()["results"])


def lists(folder: Path, names: list[str]) -> dict[str, list[tuple[str, str]]]:
    rows = ds.dataset(folder).to_table().to_pandas().sort_values("rank")
    rows = rows.rename(columns={"candidate_id": "listing_id"} if rows.columns[0] == C.USER else {})
    of, place = rows.columns[0], rows.columns[2]
    rows = rows[rows[of].isin(names)]
    return {
        name: [*zip(part[place], part["rule"] if "rule" in part else [""] * len(part), strict=True)]
        for name, part in rows.groupby(of)
    }


@pytest.mark.slow
@few
@given(rules=rules, blend=besides, at=st.sampled_from(MOMENTS))
def test_a_user_gets_the_same_list_from_every_caller(run, client, tmp_path_factory, rules, blend, at):
    users = run.log.users[3:60:19]
    moment = run.moment(at)
    users = [user for user in users if run.log.time[run.log.start[run.user_number[user]]] < moment]
    alone = {user: of_frame(run.recommend(user, at=at, rules=rules, blend=blend)) for user in users}
    together = run.recommend(users, at=at, rules=rules, blend=blend)
    assert {user: of_frame(together[together[C.USER] == user]) for user in users} == alone

    out = tmp_path_factory.mktemp("all") / "out"
    score_here(prepare(run.path, out, Query(users=(), rules=rules, at=at, blend=blend), 30), 2)
    written = lists(out, users)
    assert {user: written.get(user, []) for user in users} == alone

    with_ = {} if blend is None else {"blend": blend}
    for user in users:
        assert asked(client, f"/recommend/{user}", rules, at, **with_) == alone[user]
    user = users[0]
    assert command("recommend", str(run.path), user, *options(out.parent, rules, at, blend)) == alone[user]
    start, end = run.log.history_at(run.user_number[user], None if at is None else moment)
    told = [{"listing_id": run.listing_ids[row]} for row in run.log.listing[start:end]]
    for event, code, seconds in zip(
        told, run.log.action[start:end], run.log.duration[start:end], strict=True
    ):
        event |= {"action": run.log.actions[code]} if code >= 0 else {}
        event |= {"duration_s": float(seconds)} if np.isfinite(seconds) else {}
    assert of_frame(run.recommend(pd.DataFrame(told), at=at, rules=rules, blend=blend)) == alone[user]
    body = {"history": told} | {
        n: v for n, v in rules.model_dump(mode="json", by_alias=True).items() if v is not None
    }
    answer = client.post("/recommend", json=body | with_ | ({} if at is None else {"at": at})).json()
    assert named(answer["results"]) == alone[user]


@few
@given(rules=rules, space=st.sampled_from(["model", "attributes"]), at=st.sampled_from(MOMENTS))
def test_a_listing_gets_the_same_list_from_every_caller(run, client, tmp_path_factory, rules, space, at):
    listings = run.listing_ids[5:100:31]
    alone = {one: of_frame(run.similar(one, space=space, at=at, rules=rules)) for one in listings}
    together = run.similar(listings, space=space, at=at, rules=rules)
    assert {one: of_frame(together[together["query_id"] == one]) for one in listings} == alone
    out = tmp_path_factory.mktemp("all") / "out"
    score_here(prepare(run.path, out, Query(listings=(), rules=rules, space=space, at=at), 30), 2)
    written = lists(out, listings)
    assert {one: written.get(one, []) for one in listings} == alone
    for one in listings:
        assert asked(client, f"/similar/{one}", rules, at, space=space) == alone[one]
    told = options(out.parent, rules, at, "similar")
    assert command("similar", str(run.path), listings[0], "--space", space, *told) == alone[listings[0]]


def test_a_large_batch_gets_the_same_lists_from_an_index_where_scores_are_inner_products(
    run, tmp_path, monkeypatch
):
    built, choose = [], approximate.choose_index
    monkeypatch.setattr(approximate, "AXES", 16)  # at most as many as listings
    for module in (recommender_module, approximate):
        monkeypatch.setattr(module, "EXACT_TO", 10)
    for module in (recommender_module, candidates):
        monkeypatch.setattr(module, "choose_index", lambda *given: built.append(given) or choose(*given))
    for blend in (NO_BLEND, "recency", "neighbors+recency", "ids"):
        built.clear()
        out = tmp_path / blend
        score_here(prepare(run.path, out, Query(users=(), blend=blend), 30), 2)
        assert len(built) == (0 if blend == "ids" or run.late_interaction.weight else 1)
        users = list(run.log.users[:5])
        frame = run.recommend(users, blend=blend)
        assert lists(out, users) == {user: of_frame(frame[frame["user_id"] == user]) for user in users}
    for number, rules in enumerate((Rules(boost=("fresh 0.5 14d",)), Rules())):
        built.clear()
        prepare(run.path, tmp_path / f"near{number}", Query(listings=(), rules=rules), 30).write_chunk(0)
        assert len(built) == number
    built.clear()
    served = Run.open(run.path)
    served.recommend(served.log.users[3])
    assert not built
