"""Months after a training: an honest one, of which nothing is named, and ones with a planted drift, which is."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from helpers.commands import vibes
from helpers.copies import copied
from helpers.once import once
from helpers.small_market import generate
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.features.featurizer import FeatureConfig
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.run.run import Run
from listing_vibes.run.versions import stamp_of
from listing_vibes.serving.monitor.checks import Monitored
from listing_vibes.serving.monitor.monitor import evaluate_newest, monitor, newest_queries, recall_check
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import FileSource

pytestmark = pytest.mark.slow

CUT = pd.Timestamp("2025-03-03", tz="UTC")  # 56 of 84 days
QUICK = {
    "preset": "tiny",
    "encoder": {"layers": 1, "width": 32, "heads": 2, "ffn": 64},
    "features": FeatureConfig(text=False),
    "training": ResolvedTraining(batch=64, fresh=16, max_epochs=1, warmup=5, recency_days=0),
}


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

        train(Market.open(folder / "market"), folder / "run", Resolved(**QUICK), None)
        run = Run.open(folder / "run")
        save_metrics(run, evaluate_run(run, baselines="none"))

    return once(tmp_path_factory, "before", make)


@pytest.fixture
def shop(before, tmp_path):
    copied(Run.open(before / "run"), tmp_path)
    return tmp_path


def month(shop, before, change=lambda listings: listings):
    """The run after a refresh with what came in the last four weeks, its listings changed."""
    for name in ("listings", "events"):
        rows = pd.read_parquet(before / f"{name}.parquet")
        (shop / "new" / name).mkdir(parents=True)
        (change(rows) if name == "listings" else rows).to_parquet(shop / "new" / name / "a.parquet")
    sources = {name: FileSource(shop / "new" / name) for name in ("listings", "events")}
    assert Refresher(shop / "run", sources).refresh().new > 70
    return shop / "run"


def test_of_an_honest_month_nothing_is_named(shop, before, monkeypatch):
    found = monitor(month(shop, before))
    run = Run.open(shop / "run")
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
    monkeypatch.setattr("listing_vibes.serving.monitor.monitor.QUERIES", 50)
    some = newest_queries(run).queries
    assert len(some) == 50 and set(some.event) < set(newest.queries.event)


def test_doubled_prices_are_named_and_the_command_says_so_everywhere(shop, before):
    run = month(shop, before, lambda rows: rows.assign(price=2 * rows["price"]))
    stamp = stamp_of(run)
    done = vibes("monitor", run, check=1)  # fmt: skip
    found = Monitored.load(run)
    assert {check.of for check in found.crossed} == {"price"} and stamp_of(run) == stamp
    sentence = found.crossed[0].sentence
    assert sentence in done.stdout
    (shop / "limits.toml").write_text('attribute_shift = "none"')
    again = json.loads(vibes("monitor", run, "--thresholds", shop / "limits.toml", "--json").stdout)
    assert not any(check["crossed"] for check in again["checks"])
    (shop / "wrong.toml").write_text("price = 2")
    assert "'price'" in vibes("monitor", run, "--thresholds", shop / "wrong.toml", check=2).stderr


def test_a_drift_after_an_honest_refresh_is_named_at_the_next_one(shop, before, monkeypatch):
    monkeypatch.setattr("listing_vibes.serving.monitor.monitor.QUERIES", 50)
    rows = pd.read_parquet(before / "listings.parquet").sort_values(C.PUBLISHED, ignore_index=True)
    first = len(rows) - 40

    run = month(shop, before, lambda _: rows[:first])
    assert not monitor(run).crossed
    late = rows[first:].assign(price=2 * rows["price"][first:])
    late.to_parquet(shop / "new" / "listings" / "b.parquet")
    Refresher(run, {"listings": FileSource(shop / "new" / "listings")}).refresh()
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
        train(market, folder / "run", Resolved(**QUICK), market_photos(market))

    return once(tmp_path_factory, "pictured", make)


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
