"""Drift against what chance makes of so few, what lists show, thresholds, and the memo."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.copies import copied
from helpers.small_market import generate
from listing_vibes.errors import VibesError
from listing_vibes.features.market_summary import MarketSummary, PhotoSpread, Spread
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue
from listing_vibes.run.spaces import embed_market
from listing_vibes.scoring.metrics import METRICS
from listing_vibes.serving.monitor.checks import Check, Monitored, Thresholds, model_of
from listing_vibes.serving.monitor.drift import Group, attribute_checks, photo_check
from listing_vibes.serving.monitor.monitor import (
    METRIC,
    NewestQueries,
    SampledLists,
    coverage_check,
    groups_of,
    monitor,
    recall_check,
)
from listing_vibes.serving.service.metrics import Metrics

LIMITS = Thresholds()


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift") / "market"
    generate(folder, listings=900, users=1)
    return Market.open(folder)


def seen_of(market, rows):
    known = market.listings.iloc[rows].reset_index(drop=True)

    def vocabulary(one) -> AttributeVocabulary:
        return type_of(one.kind).fit(known, one.name, 10, 1)

    spreads = {one.name: Spread.of(one.name, one.kind, known, vocabulary(one)) for one in market.attributes}
    return MarketSummary(name="then", listings=len(rows), attributes=spreads)


def checked(market, change=lambda rows: rows, seed=0, number=60, limits=LIMITS):
    order = np.random.default_rng(seed).permutation(900)
    old, new = order[:300], order[300 : 300 + number]
    listings = market.listings.copy()
    listings.iloc[new] = change(listings.iloc[new].copy())
    moved = replace(market, listings=listings)
    groups = [Group("new", "the new listings", new)]
    return attribute_checks(seen_of(market, old), moved, groups, {"price": "Price"}, limits)


def named(checks):
    return {check.of for check in checks if check.crossed}


@pytest.mark.slow
def test_chance_names_nothing_and_what_was_planted_is_named(market):
    assert not [of for seed in range(5) for of in named(checked(market, seed=seed))]
    (price,) = [c for c in checked(market, lambda r: r.assign(price=2 * r["price"])) if c.crossed]
    assert price.of == "price" and price.p < 0.001 and price.hint.endswith("train the run again.")
    assert named(checked(market, lambda r: r.assign(building=r["building"].replace("villa", "tower")))) == {
        "building"
    }
    assert named(checked(market, lambda r: r.assign(district=pd.NA))) == {"district"}
    assert not checked(market, number=10)  # so few say nothing
    off = Thresholds(attribute_shift=None)
    assert not named(checked(market, lambda r: r.assign(price=9.0), limits=off))


def test_the_shift_is_the_total_variation_with_a_chi_square_test(tmp_path):
    rng, colors = np.random.default_rng(0), ["red", "blue", "green", None]
    then = rng.choice(4, 300, p=[0.4, 0.3, 0.2, 0.1])
    now = rng.choice(4, 100, p=[0.2, 0.6, 0, 0.2])
    table = pd.DataFrame({"listing_id": range(400), "color": [colors[one] for one in (*then, *now)]})
    market = Market.from_frames(table, path=tmp_path / "m")
    seen = seen_of(market, np.arange(300))

    def check(rows, limits=LIMITS):
        (found,) = attribute_checks(seen, market, [Group("new", "new listings", rows)], {}, limits)
        return found

    counts = np.stack([np.bincount(then, minlength=4), np.bincount(now, minlength=4)])
    moved = np.abs(counts[0] / 300 - counts[1] / 100).sum() / 2
    found = check(np.arange(300, 400))
    assert found.crossed and found.value == pytest.approx(moved)
    assert found.p == pytest.approx(stats.chi2_contingency(counts).pvalue, abs=1e-6)
    assert not check(np.arange(300, 400), Thresholds(attribute_shift=moved + 0.01)).crossed


def test_photos_are_named_when_they_moved_and_not_when_they_did_not():
    rng = np.random.default_rng(1)
    vectors, listing = rng.normal(size=(600, 16)), np.repeat(np.arange(200), 3)
    seen = MarketSummary(name="then", listings=150, photos=PhotoSpread.by(vectors[:450]))
    group = [Group("new", "the new listings", np.arange(150, 200))]
    same = photo_check(seen, vectors, listing, group, LIMITS)
    assert not same.crossed and same.value < 0.1
    other = np.where(listing[:, None] >= 150, vectors * 0.4, vectors)
    assert photo_check(seen, other, listing, group, LIMITS).crossed
    assert photo_check(seen, vectors, listing, [Group("few", "few", np.arange(5))], LIMITS) is None


def test_thresholds_come_from_a_file_and_wrong_ones_are_refused(tmp_path):
    (tmp_path / "t.toml").write_text("recall_drop = 0.2\nphoto_shift = 'none'\n")
    told = Thresholds.of(tmp_path / "t.toml")
    assert (told.recall_drop, told.photo_shift) == (0.2, None)
    (tmp_path / "t.toml").write_text("recal_drop = 0.3\n")
    for wrong in (tmp_path / "t.toml", {"recall_drop": 2}):
        with pytest.raises(VibesError):
            Thresholds.of(wrong)


def test_the_text_says_what_crossed_first():
    checks = [
        Check(name="coverage", sentence="Fine."),
        Check(
            name="attribute", of="x", crossed=True, sentence="<b>Price</b> of *all*.", hint="`vibes check`."
        ),
    ]
    found = Monitored(run="r", of="", market="M", version=2, checked_at="2025-01-01 10:00", thresholds=LIMITS, checks=checks)  # fmt: skip
    assert found.frame()["crossed"].tolist() == [False, True] and found.text().index(
        "Price"
    ) < found.text().index("coverage")


def test_the_service_tells_the_last_look_and_nothing_where_there_is_none_or_a_damaged_one(tmp_path):
    metrics = Metrics(tmp_path)
    assert b"vibes_monitor" not in metrics.text()
    check = Check(name="attribute", of='a "b"', value=0.5, crossed=True, sentence="It moved.")
    result = Monitored(
        run="r", of=model_of(tmp_path), market="M", version=0, checked_at="2025-01-01 10:00", thresholds=LIMITS, checks=[check],
    )  # fmt: skip
    result.save(tmp_path)
    told = metrics.text().decode()
    assert 'vibes_monitor_crossed{check="attribute",of="a \\"b\\""} 1.0' in told
    assert "vibes_monitor_timestamp_seconds 1.7357" in told
    assert Monitored.load(tmp_path) == result
    (tmp_path / "run.toml").write_text("another model")
    assert Monitored.load(tmp_path) is None and b"vibes_monitor" not in metrics.text()
    (tmp_path / "monitor.json").write_text("{}")
    assert b"vibes_monitor" not in metrics.text()


def test_without_dates_only_what_trained_and_what_came_is_compared(trained, tmp_path):
    run = copied(trained, tmp_path)
    split = run.split()
    has_events = run.log.counts(split.train) > 0
    after = (run.catalogue.since >= split.t1) & ~has_events
    rows = {group.name: group.rows for group in groups_of(run, split.t1, split.train)}
    assert after.any() and (rows["new"] == np.flatnonzero(after)).all()
    least, most = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    run.catalogue = Catalogue(np.full(len(after), least), np.full(len(after), most))  # none has a date
    (live,) = groups_of(run, split.t1, split.train)
    assert live.name == "live" and (live.rows == np.flatnonzero(has_events)).all()


def test_a_model_of_other_markets_does_not_make_a_market_drift(trained, tmp_path):
    market = trained.market
    others = market.listings.assign(price=20 * market.listings["price"], rooms=9)
    others.to_csv(tmp_path / "listings.csv", index=False)  # no events: nothing can be trained here
    embed_market(Market.open(tmp_path), tmp_path / "run", None, trained.path)
    found = monitor(tmp_path / "run")
    assert not found.crossed
    assert "train" not in found.text().replace("trained", "")


LISTINGS = 40


def lists_of(seed: int, number: int = 60, among: int = LISTINGS) -> SampledLists:
    """Return lists of five of the first active listings, some shorter."""
    rng = np.random.default_rng(seed)
    active = np.arange(LISTINGS) % 8 != 7
    candidates = np.flatnonzero(active)[:among]
    rows = np.stack([rng.permutation(candidates)[:5] for _ in range(number)])
    rows[rng.random(number) < 0.3, 3:] = -1
    return SampledLists(active, rows)


def counted(of: SampledLists) -> list[int]:
    return [sum(row == listing for line in of.rows.tolist() for row in line) for listing in range(LISTINGS)]


def test_coverage_is_that_of_a_loop():
    of = lists_of(0, number=6)
    value, low, high = of.coverage
    assert value == sum(n > 0 for n in counted(of)) / of.active.sum() and low < value < high


def test_lists_of_fewer_listings_cross_a_threshold_where_it_is_significant():
    check, wide, narrow = coverage_check, lists_of(0), lists_of(1, among=12)
    assert check(narrow, wide, LIMITS).crossed and not check(wide, narrow, LIMITS).crossed
    for value in (None, 0.9):
        assert not check(narrow, wide, Thresholds(coverage_drop=value)).crossed
    first, second = lists_of(3, number=6, among=20), lists_of(0, number=9)
    result = check(first, second, Thresholds(coverage_drop=0.1))  # too few lists for a test
    assert abs(result.value - result.before) > 0.1 * result.before and not result.crossed
    assert check(wide, None, LIMITS).before is None


def recall(values: np.ndarray, measured: np.ndarray) -> Check:
    told = np.zeros((len(values), len(METRICS)))
    told[:, METRICS.index(METRIC)] = values
    evaluation = SimpleNamespace(
        names=["default ranking"], user_values=lambda name: told, queries=range(len(values))
    )
    run = SimpleNamespace(listing_ids=["a"], transferred=False, log=[1])
    return recall_check(NewestQueries(None, None, 0, measured), evaluation, run, Thresholds())


def test_few_lost_queries_are_no_alarm_and_a_fall_is():
    rng = np.random.default_rng(0)
    measured = (rng.random(600) < 0.45).astype(float)
    for few in (1, 2, 19):
        found = recall(np.zeros(few), measured)
        assert not found.crossed and found.p is None and found.before == measured.mean()
    assert not recall(np.zeros(20), np.array([0.0] * 95 + [1.0] * 5)).crossed
    found = recall(np.zeros(20), measured)
    assert found.crossed
    assert not recall((rng.random(30) < 0.45).astype(float), measured).crossed
