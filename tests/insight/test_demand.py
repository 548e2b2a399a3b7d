"""Unmet demand: a withdrawn taste is found where it is, with a bound that holds, and described by its users."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from helpers.commands import vibes
from helpers.copies import copied
from helpers.small_market import generate
from listing_vibes.errors import VibesError
from listing_vibes.insight import demand as module
from listing_vibes.insight.days import LIVE, MOST, MarketDays
from listing_vibes.insight.demand import (
    NEAR,
    UserDemand,
    candidate_regions,
    demand,
    measure_lifts,
    select_regions,
)
from listing_vibes.insight.market_shift import measure_shift
from listing_vibes.market.log import DAY
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue
from listing_vibes.run.run import Run


@pytest.fixture(scope="module")
def short(trained):
    """Return the run without the active listings of the region with most demand, and the rows of that region."""
    run = Run.open(trained.path)
    users = UserDemand.of(run, run.moment(None))
    regions = candidate_regions(run.vectors("model"))
    gone = regions[int(users.shares(regions).mean(axis=0).argmax())]
    until = run.catalogue.until.copy()
    until[gone] = np.minimum(until[gone], run.moment(None) - DAY)
    run.__dict__["catalogue"] = replace(run.catalogue, until=until)
    return run, gone


def test_demand_is_the_top_of_all_that_was_published(trained):
    at = trained.moment("2025-02-20")
    users, log = UserDemand.of(trained, at), trained.log
    recent = np.unique(log.user[(log.time < at) & (log.time >= at - 28 * DAY)])
    assert sorted(users.audience.user) == recent.tolist()
    listings = trained.market.listings
    published = set(listings["listing_id"][listings["published_at"] <= "2025-02-20"])
    assert {
        name for name, is_in in zip(trained.listing_ids, users.published, strict=True) if is_in
    } == published
    rules = {"live_only": False, "drop_seen": False, "k": len(log.users)}
    everything = trained.recommend(log.users[users.audience.user[0]], k=NEAR, at="2025-02-20", rules=rules)
    expected = [name for name in everything["listing_id"] if name in published]
    assert [trained.listing_ids[row] for row in users.first[0]][: len(expected)] == expected
    assert users.shares([np.arange(len(trained.listing_ids))])[:, 0] == pytest.approx(1)


def test_a_withdrawn_taste_is_found_and_described(short):
    run, gone = short
    found, row = demand(run, space="model"), run.listing_row
    region, active = found.regions[0], run.catalogue.live(run.moment(None))
    rows = np.array([row[name] for name in region.listings])
    assert np.isin(rows, gone).mean() > 0.5 and region.low >= 1.5
    assert region.active == active[rows].sum() and all(active[row[name]] for name in region.nearest)
    users = UserDemand.of(run, run.moment(None))
    wanted = np.bincount(users.first.ravel(), minlength=len(active))
    expected = sorted(rows, key=lambda number: -wanted[number])[:8]
    assert region.wanted == [run.listing_ids[number] for number in expected]
    middle = users.audience.vectors[users.users_of(rows)].mean(axis=0)
    near = sorted(np.flatnonzero(users.active), key=lambda one: -float(run.vectors("model")[one] @ middle))
    assert region.nearest == [run.listing_ids[number] for number in near[:8]]
    assert region.name and all(trait.inside > trait.outside for trait in region.traits)
    assert found.at == str(pd.Timestamp(run.moment(None) - 1).date())
    assert found.frame()["wanted"][0].split() == region.wanted
    document = json.loads(json.dumps(found.to_dict()))
    assert document["regions"][0]["active"] == region.active
    assert region.name in repr(found) and region.wanted[0] in repr(found)


@pytest.mark.parametrize("options", [{"space": "photos"}, {"least": 0.5}, {"at": "2020-01-01"}], ids=str)
def test_what_cannot_be_estimated_is_refused(trained, bare, options):
    with pytest.raises(VibesError):
        demand(trained, **options)
    with pytest.raises(VibesError):
        demand(bare)


def tastes(each):
    rng = np.random.default_rng(0)
    center = np.eye(16)[:5]
    vectors = np.repeat(center, each, axis=0) + rng.normal(0, 0.08, (each * 5, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("single", [1000, 50], ids=["single listings", "clusters first"])
def test_every_taste_is_a_candidate_region(monkeypatch, single):
    monkeypatch.setattr(module, "SINGLE", single)
    monkeypatch.setattr(module, "GROUPS", 60)
    found = candidate_regions(tastes(40))
    assert all(20 <= len(rows) <= 67 for rows in found)
    for taste in range(5):
        assert any(rows.tolist() == list(range(40 * taste, 40 * taste + 40)) for rows in found)
    assert candidate_regions(tastes(10)) == []


@pytest.mark.parametrize(("active", "tests"), [(0, 1), (3, 7), (40, 7)])
def test_the_bound_is_the_exact_one_where_users_do_not_differ_and_lower_where_they_do(active, tests):
    highest = beta.ppf(1 - 0.05 / tests, active + 1, 200 - active)  # of the share of active listings
    _, same = measure_lifts(np.full((50, 1), 0.2), np.array([active]), 200, tests)
    assert same[0] == pytest.approx(0.2 / highest, rel=1e-4)
    few = np.zeros((50, 1))
    few[::5] = 1
    share, differing = measure_lifts(few, np.array([active]), 200, tests)
    assert share[0] == pytest.approx(0.2) and differing[0] < 0.97 * same[0]


@pytest.mark.slow
def test_supply_that_follows_demand_is_significant_in_hardly_any_market():
    significant = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        share = rng.dirichlet(np.full(10, 5.0))
        users = np.eye(10)[rng.choice(10, 400, p=share)]
        _, low = measure_lifts(users, rng.multinomial(300, share), 300, 10)
        significant += bool((low >= 1).any())
    assert significant <= 4  # one in twenty


def test_the_greatest_lifts_come_first_and_hardly_overlap():
    regions = [np.arange(0, 20), np.arange(0, 30), np.arange(40, 60), np.arange(70, 90)]
    users = np.tile([0.3, 0.32, 0.25, 0.1], (80, 1))
    _, low = measure_lifts(users, np.array([0, 6, 4, 30]), 300, 4)
    assert select_regions(low, regions, 100, 1.5) == [0, 2]


HOUR = DAY // 24


@pytest.fixture
def days(make_log):
    log = make_log(
        [0, 0, 0, 1, 1], [0, 1, 1, 2, 0], [10 * DAY + HOUR, 11 * DAY, 11 * DAY + HOUR, 11 * DAY, 14 * DAY - 1],
        listings=4, users=2,
    )  # fmt: skip
    since = np.array([0, 10 * DAY + 5 * HOUR, 12 * DAY, 0])
    until = np.array([11 * DAY, 20 * DAY, 12 * DAY + HOUR, 10 * DAY + HOUR])
    return MarketDays.of(log, Catalogue(since, until))


def test_a_listing_is_active_on_each_day_that_it_was_at_any_time_and_events_count_on_their_day(days):
    assert (len(days), days.date(0), days.date(3), days.begin(1)) == (4, "1970-01-11", "1970-01-14", 11 * DAY)
    dates = ("1970-01-11", "1970-01-14", "1970-01-15", "zebra", "")
    assert [days.number(date) for date in dates] == [0, 3, None, None, None]
    assert [days.live(day).tolist() for day in range(3)] == [
        [True, True, False, True], [False, True, False, False], [False, True, True, False],
    ]  # fmt: skip
    assert [days.touched(day).tolist() for day in range(4)] == [
        [1, 0, 0, 0], [0, 2, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0],
    ]  # fmt: skip


def test_a_refused_listing_has_no_event(make_log, always_live):
    log = make_log([0, 0, 1], [0, 1, 1], [10 * DAY, 11 * DAY, 12 * DAY], 2, 2, hides=[1])
    days = MarketDays.of(log, always_live(log))
    assert [days.touched(day).tolist() for day in range(len(days))] == [[1, 0], [0, 0], [0, 1]]


def test_a_byte_of_a_listing_has_whether_it_was_live_and_how_many_events_as_far_as_they_fit(make_log):
    log = make_log([0] * 301, [0] * 300 + [1], [10 * DAY] * 300 + [11 * DAY], 3, 1)
    days = MarketDays.of(log, Catalogue(np.array([0, 11 * DAY, 0]), np.array([12 * DAY, 12 * DAY, DAY])))
    assert days.codes(0, np.array([2, 1, 0])).tolist() == [0, 0, LIVE + MOST]
    assert days.codes(1, np.array([0, 1])).tolist() == [LIVE, LIVE + 1]


def test_without_times_or_on_one_day_there_is_nothing_to_go_through(make_log, always_live):
    for log in (
        make_log([0, 0], [0, 1], [1, 2], 2, 1, timed=False),
        make_log([0, 0], [0, 1], [HOUR, 2 * HOUR], 2, 1),
        make_log([], [], [], 2, 0),
    ):
        assert MarketDays.of(log, always_live(log)) is None


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A market of the same columns but one, with higher prices and other districts."""
    folder = tmp_path_factory.mktemp("other") / "market"
    generate(folder, listings=80, users=30, seed=9)
    toml = (folder / "market.toml").read_text().replace("[attributes.rooms]", "[attributes.bedrooms]")
    (folder / "market.toml").write_text(toml.replace("A small simulated market", "Another town"))
    listings = pd.read_parquet(folder / "listings.parquet").rename(columns={"rooms": "bedrooms"})
    listings["price"] *= 1.6
    listings["district"] = "New " + listings["district"].astype(str)
    listings.to_parquet(folder / "listings.parquet", index=False)
    return Market.open(folder)


@pytest.mark.slow
def test_it_says_what_is_known_and_how_far_the_rest_moved(trained, other):
    shift = measure_shift(other, trained)
    by_name = {attribute.name: attribute for attribute in shift.attributes}
    assert (by_name["bedrooms"].known, by_name["bedrooms"].shift) == (False, None)
    assert by_name["district"].values_known == 0 and by_name["district"].shift > 0.9
    assert by_name["building"].values_known == 1 and by_name["building"].shift < 0.4
    assert by_name["price"].shift > by_name["building"].shift
    assert shift.nearest == trained.market.name and shift.attributes_known == pytest.approx(11 / 12)
    own = measure_shift(trained.market, trained)
    assert own.attributes_known == 1 and own.shift < shift.shift
    assert own.sentence.startswith("was trained on this market") and own.sentence != shift.sentence
    document = json.loads(vibes("check", other.path, "--model", trained.path, "--json").stdout)
    assert document["model"] == shift.model_copy(update={"run": str(trained.path)}).model_dump(mode="json")
    assert document["listings"] == 80
    assert shift.nearest in vibes("check", other.path, "--model", trained.path).stdout


def test_a_run_without_a_model_is_refused_and_one_without_a_record_has_no_nearest_market(
    bare, trained, other, tmp_path
):
    with pytest.raises(VibesError, match="has no trained model"):
        measure_shift(other, bare)
    assert vibes("check", other.path, "--model", tmp_path / "nowhere", check=2).stderr
    run = copied(trained, tmp_path / "copy")
    (run.path / "seen.json").unlink()
    toml = (run.path / "run.toml").read_text()
    (run.path / "run.toml").write_text(toml[: toml.index('[files."seen.json"]')])
    shift = measure_shift(other, run)
    assert shift.nearest is None and "has no record of its training markets" in shift.to_text()


def test_a_model_that_ships_is_named(other):
    shift = measure_shift(other, "homes")
    assert shift.run == "homes" and shift.nearest.startswith("Homes in ")
    assert {one.name for one in shift.attributes if one.known} >= {"price", "bedrooms", "place"}
