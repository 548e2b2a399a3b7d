"""Rules by an attribute: boosts and pins by a condition, and no listings that belong to the user."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.commands import rules_file, vibes
from helpers.serving import app_of, serving
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory) -> Run:
    """The trained run over a market with a column `host` that the model does not read: every seventh user owns listings."""
    folder, source = tmp_path_factory.mktemp("hosts"), trained.market
    listings, events = source.raw_table("listings"), source.raw_table("events")
    hosts = [f"user-{row % 80:04d}" for row in range(len(listings))]
    config = source.config.model_copy(update={"excluded": ["host"]})
    market = Market.from_frames(listings.assign(host=hosts), events, config=config).save(folder / "market")
    embed_market(market, folder / "run", None, trained.path)
    return Run.open(folder / "run")


def hosts(run: Run) -> pd.Series:
    return run.market.raw_table("listings").set_index(C.LISTING)["host"]


@pytest.mark.parametrize("blend", [None, "nothing"])
def test_no_list_has_a_listing_of_its_user(run, blend):
    users, host = [*run.log.users[:30], "user-without-events"], hosts(run)
    rules = {"live_only": False, "drop_seen": False}
    found, plain = (
        run.recommend(users, 120, rules=rules | more, blend=blend) for more in ({"owner": "host"}, {})
    )
    assert (host[plain[C.LISTING]].to_numpy() == plain[C.USER].to_numpy()).any()
    assert not (host[found[C.LISTING]].to_numpy() == found[C.USER].to_numpy()).any()
    expected = plain[host[plain[C.LISTING]].to_numpy() != plain[C.USER].to_numpy()]
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))


def test_a_user_without_events_before_the_moment_gets_none_of_their_own(run):
    start = pd.Timestamp(int(run.log.time.min()), unit="ns", tz="UTC")
    user, other = run.log.users[0], run.log.users[1]
    rules = {"owner": "host", "live_only": False}
    found = run.recommend([user, other], 120, at=start, rules=rules)
    assert found["fallback"].all()
    assert not (hosts(run)[found[C.LISTING]].to_numpy() == found[C.USER].to_numpy()).any()


def test_command_and_service_have_the_same_lists(run, tmp_path):
    user = run.log.users[3]
    rules = {"owner": ["host"], "pin": ["building=villa"], "boost": ["rooms>=3 1"]}
    expected = run.recommend(user, 15, rules=rules)[C.LISTING].tolist()
    document = json.loads(
        vibes("recommend", run.path, user, "-k", 15, "--json", *rules_file(tmp_path, **rules)).stdout
    )
    assert [row["listing_id"] for row in document] == expected
    with serving(app_of(run.path)) as client:
        answer = client.get(f"/recommend/{user}", params={"k": 15, **rules}).json()
        assert [row["listing_id"] for row in answer["results"]] == expected
        wrong = client.get(f"/recommend/{user}", params={"pin": "buildin=villa"})
        assert wrong.status_code == 422 and "buildin" in wrong.json()["error"]


def test_a_condition_pins_the_best_listings_that_fulfill_it_after_the_pinned_ids(run):
    table, user = run.market.listings.set_index(C.LISTING), run.log.users[5]
    plain = run.recommend(user, 60)
    is_villa = (table["building"][plain[C.LISTING]] == "villa").to_numpy()
    first = plain[C.LISTING].iloc[9]
    found = run.recommend(user, 12, rules={"pin": ["building=villa", first]})
    villas = [item for item in plain[C.LISTING][is_villa] if item != first]
    expected = [first, *villas, *(item for item in plain[C.LISTING] if item not in (first, *villas))]
    assert found[C.LISTING].tolist() == expected[:12]
    pinned = min(12, 1 + len(villas))
    assert found["rule"].tolist() == ["pinned"] * pinned + [""] * (12 - pinned)
    everything = run.recommend(user, 12, rules={"pin": "rooms>=0"})
    assert everything[C.LISTING].tolist() == plain[C.LISTING].tolist()[:12] and set(everything["rule"]) == {
        "pinned"
    }


def test_a_condition_boosts_by_its_weight_in_standard_deviations(run):
    user, table = run.log.users[5], run.market.listings.set_index(C.LISTING)
    rules = {"live_only": False, "drop_seen": False}
    plain, found = (
        run.recommend(user, 120, rules=rules | more).set_index(C.LISTING)["score"]
        for more in ({}, {"boost": "building=villa 0.5"})
    )
    gain = (found - plain[found.index]).to_numpy()
    is_villa = (table["building"][found.index] == "villa").to_numpy()
    assert np.abs(gain[~is_villa]).max() < 1e-6 and gain[is_villa] == pytest.approx(
        0.5 * plain.std(ddof=0), rel=0.01
    )


@pytest.mark.parametrize(
    "rules",
    [{"boost": "building=villa"}, {"boost": "building=villa 11"}, {"boost": "nothing=1 1"}, {"pin": "nothing=1"},
     {"pin": "rooms>=many"}, {"owner": "nobody"}, {"boost": "villa 0.5"}],
)  # fmt: skip
def test_an_invalid_rule_is_refused(run, rules):
    with pytest.raises(VibesError, match=r"Rule (boost|pin|owner)"):
        run.recommend(run.log.users[0], rules=Rules.of(rules))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("district>=2", r"'district>=2', but district \(category\) has no order; use =, as in district=2\."),
        ("rooms=" + "|".join(["1"] * 1001), r"has 1,001 values of rooms; give at most 1,000\."),
    ],
    ids=["an order", "too many values"],
)
def test_a_comparison_that_is_refused_says_why(run, condition, message):
    with pytest.raises(VibesError, match=message):
        run.recommend(run.log.users[0], rules={"where": condition})
