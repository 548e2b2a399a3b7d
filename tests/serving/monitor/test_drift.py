"""Drift against what chance makes of so few, what lists show, thresholds, and months with and without a planted drift."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter
from scipy import stats

from helpers.commands import vibes
from helpers.copies import copied
from helpers.newcomers import Shop
from helpers.once import once
from helpers.runs import QUICK
from helpers.small_market import generate
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.features.market_summary import AttributeSpread, MarketSummary, PhotoSpread
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue
from listing_vibes.market.writer import write_market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run
from listing_vibes.run.versions import stamp_of
from listing_vibes.scoring.ranking_metrics import METRICS
from listing_vibes.serving.monitor import (
    METRIC,
    NewestQueries,
    SampledLists,
    coverage_check,
    evaluate_newest,
    groups_of,
    monitor,
    newest_queries,
    recall_check,
)
from listing_vibes.serving.monitor_checks import (
    Check,
    ListingGroup,
    Monitored,
    Thresholds,
    attribute_checks,
    model_of,
    photo_check,
)
from listing_vibes.serving.refresh.polls import FileSource
from listing_vibes.serving.refresh.refresher import Refresher
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

    spreads = {
        one.name: AttributeSpread.of(one.name, one.kind, known, vocabulary(one)) for one in market.attributes
    }
    return MarketSummary(name="then", listings=len(rows), attributes=spreads)


def checked(market, change=lambda rows: rows, seed=0, number=60, limits=LIMITS):
    order = np.random.default_rng(seed).permutation(900)
    old, new = order[:300], order[300 : 300 + number]
    listings = market.listings.copy()
    listings.iloc[new] = change(listings.iloc[new].copy())
    moved = replace(market, listings=listings)
    groups = [ListingGroup("new", "the new listings", new)]
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
    market = Market.from_frames(table).save(tmp_path / "m")
    seen = seen_of(market, np.arange(300))

    def check(rows, limits=LIMITS):
        (found,) = attribute_checks(seen, market, [ListingGroup("new", "new listings", rows)], {}, limits)
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
    group = [ListingGroup("new", "the new listings", np.arange(150, 200))]
    same = photo_check(seen, vectors, listing, group, LIMITS)
    assert not same.crossed and same.value < 0.1
    other = np.where(listing[:, None] >= 150, vectors * 0.4, vectors)
    assert photo_check(seen, other, listing, group, LIMITS).crossed
    assert photo_check(seen, vectors, listing, [ListingGroup("few", "few", np.arange(5))], LIMITS) is None


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
    rows = {group.name: group.rows for group in groups_of(run, split)}
    assert after.any() and (rows["new"] == np.flatnonzero(after)).all()
    least, most = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    run.catalogue = Catalogue(np.full(len(after), least), np.full(len(after), most))  # none has a date
    (live,) = groups_of(run, split)
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


CUT = pd.Timestamp("2025-03-03", tz="UTC")  # 56 of 84 days


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A run that was trained and measured when two thirds of the market's days were over; beside it what came after."""

    def make(folder):
        generate(folder / "whole", listings=500, users=500)
        market = Market.open(folder / "whole")
        old = (market.listings[C.PUBLISHED] < CUT).to_numpy()
        events = market.events[market.events[C.TIMESTAMP] < CUT]
        write_market(folder / "market", market.config, market.listings[old], None, events)
        market.listings[~old].to_parquet(folder / "listings.parquet", index=False)
        market.events[market.events[C.TIMESTAMP] >= CUT].to_parquet(folder / "events.parquet", index=False)
        from listing_vibes.training.train import train

        train(Market.open(folder / "market"), folder / "run", QUICK, None)
        run = Run.open(folder / "run")
        save_metrics(run, evaluate_run(run, baselines="none"))

    return once(tmp_path_factory, "before", make)


@pytest.fixture
def shop(before, tmp_path) -> Shop:
    return Shop(copied(Run.open(before / "run"), tmp_path), tmp_path)


def month(shop, before, change=lambda listings: listings):
    """The run after a refresh with what came in the last four weeks, its listings changed."""
    listings, events = (pd.read_parquet(before / f"{name}.parquet") for name in ("listings", "events"))
    shop.deliver("a", listings=change(listings), events=events)
    assert shop.refresh().new > 70
    return shop.run


@pytest.mark.slow
def test_of_an_honest_month_nothing_is_named(shop, before, monkeypatch):
    found = monitor(month(shop, before))
    run = Run.open(shop.run)
    newest = newest_queries(run)
    asked = evaluate_newest(run, newest)
    assert not found.crossed, found.text()
    assert found.version == 1 and found.queries == len(asked.queries) > 100
    by_name = {check.name: check for check in found.checks}
    metrics = Run.open(before / "run").metrics["results"]["default ranking"]["recall@30"]
    assert by_name["recall"].before == pytest.approx(metrics["value"])
    assert by_name["recall"].low < by_name["recall"].value < by_name["recall"].high
    assert asked.queries.at.min() >= int(found.since and pd.Timestamp(found.since, tz="UTC").value)
    worse = recall_check(replace(newest, measured=np.full(80, 0.95)), asked, run, found.thresholds)
    assert worse.crossed and worse.before == pytest.approx(0.95) and worse.p < 0.01
    assert {"coverage", "attribute"} <= set(by_name)
    monkeypatch.setattr("listing_vibes.serving.monitor.QUERIES", 50)
    some = newest_queries(run).queries
    assert len(some) == 50 and set(some.event) < set(newest.queries.event)


@pytest.mark.slow
def test_doubled_prices_are_named_and_the_command_says_so_everywhere(shop, before, tmp_path):
    run = month(shop, before, lambda rows: rows.assign(price=2 * rows["price"]))
    stamp = stamp_of(run)
    done = vibes("monitor", run, check=1)  # fmt: skip
    found = Monitored.load(run)
    assert {check.of for check in found.crossed} == {"price"} and stamp_of(run) == stamp
    sentence = found.crossed[0].sentence
    assert sentence in done.stdout
    (tmp_path / "limits.toml").write_text('attribute_shift = "none"')
    again = json.loads(vibes("monitor", run, "--thresholds", tmp_path / "limits.toml", "--json").stdout)
    assert not any(check["crossed"] for check in again["checks"])
    (tmp_path / "wrong.toml").write_text("recall_drop = 2")
    assert "recall_drop" in vibes("monitor", run, "--thresholds", tmp_path / "wrong.toml", check=2).stderr


@pytest.mark.slow
def test_a_drift_after_an_honest_refresh_is_named_at_the_next_one(shop, before, monkeypatch):
    monkeypatch.setattr("listing_vibes.serving.monitor.QUERIES", 50)
    rows = pd.read_parquet(before / "listings.parquet").sort_values(C.PUBLISHED, ignore_index=True)
    first = len(rows) - 40

    run = month(shop, before, lambda _: rows[:first])
    assert not monitor(run).crossed
    late = rows[first:].assign(price=2 * rows["price"][first:])
    shop.deliver("b", listings=late)
    shop.refresh()
    (named,) = monitor(run).crossed
    assert (named.of, named.group) == ("price", "newest")


@pytest.fixture(scope="module")
def pictured(tmp_path_factory):
    """A run over homes with rendered photos, two thirds of them; the photos of the rest lie beside them."""

    def make(folder):
        from listing_vibes.demo.shipped import bundled_run
        from listing_vibes.training.train import train

        demo = Market.open(bundled_run().parent)
        some = demo.listings.iloc[::8].reset_index(drop=True)
        shots = demo.photos[demo.photos[C.LISTING].isin(some[C.LISTING]) & (demo.photos[C.POSITION] < 1)]
        events = demo.events[demo.events[C.LISTING].isin(some[C.LISTING])].iloc[::4]
        old, shown = some[:90], shots[shots[C.LISTING].isin(some[C.LISTING][:90])]
        write_market(
            folder / "market",
            demo.config,
            old,
            shown,
            events[events[C.LISTING].isin(old[C.LISTING])],
            demo.path,
        )
        some[90:].to_parquet(folder / "listings.parquet")
        shots[~shots[C.LISTING].isin(old[C.LISTING])].assign(
            **{C.PATH: lambda rows: [str(demo.path / path) for path in rows[C.PATH]]}
        ).to_parquet(folder / "photos.parquet")
        market = Market.open(folder / "market")
        train(market, folder / "run", QUICK, market_photos(market))

    return once(tmp_path_factory, "pictured", make)


@pytest.mark.slow
def test_blurred_photos_are_named(pictured, tmp_path):
    copied(Run.open(pictured / "run"), tmp_path)
    photos = pd.read_parquet(pictured / "photos.parquet")
    for name in ("listings", "photos"):
        (tmp_path / "new" / name).mkdir(parents=True)
    for row, path in enumerate(photos[C.PATH]):
        image = Image.open(path)
        image.filter(ImageFilter.GaussianBlur(image.width / 60)).save(
            tmp_path / "new" / "photos" / f"{row}.png"
        )
    photos.assign(**{C.PATH: [f"{row}.png" for row in range(len(photos))]}).to_parquet(
        tmp_path / "new" / "photos" / "photos.parquet"
    )
    shutil.copy(pictured / "listings.parquet", tmp_path / "new" / "listings" / "a.parquet")
    sources = {name: FileSource(tmp_path / "new" / name) for name in ("listings", "photos")}
    Refresher(tmp_path / "run", sources).refresh()
    found = monitor(tmp_path / "run")
    assert [check.name for check in found.crossed] == ["photos"], found.text()
