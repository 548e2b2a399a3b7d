"""The simulated market: seeded, sound, as hard as the parameters say, and its vibes told by no column."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.demo.listings import ACTIONS
from listing_vibes.demo.oracle import Oracle
from listing_vibes.demo.simulate import World, photos_frame, simulate
from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.scoring.baselines.popularity import Popularity

FIRST = pd.Timestamp("2025-01-06", tz="UTC")
TABLES = ("listings.parquet", "events.parquet", "market.toml")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small market and what is true of it."""
    path = tmp_path_factory.mktemp("demo")
    return simulate(path / "market", truth=path / "truth.parquet", listings=260, users=900), path


@pytest.mark.slow
def test_the_same_seed_gives_the_same_market_byte_for_byte(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(tmp_path / name, seed=seed, listings=60, users=60)
    for table in TABLES[:2]:
        same, other = ((tmp_path / name / table).read_bytes() for name in "ab")
        assert same == other != (tmp_path / "c" / table).read_bytes()


@pytest.mark.slow
def test_the_market_opens_without_an_issue_and_says_what_it_is(small):
    _, path = small
    market = Market.open(path / "market")
    assert market.issues == []
    assert "simulated" in market.name.lower() and "do not exist" in market.config.note
    assert market.actions == list(ACTIONS)
    kinds = {attribute.name: attribute.kind for attribute in market.attributes}
    assert kinds["place"] == "place" and kinds["description"] == "text" and kinds["pets"] == "flag"
    assert market.listings["pets"].isna().any() and market.listings["built"].isna().any()


def test_the_truth_lies_apart_from_the_market(small):
    world, path = small
    truth = pd.read_parquet(path / "truth.parquet")
    assert list(truth.columns) == ["listing_id", "vibe", "quality"]
    assert truth["listing_id"].tolist() == [offer.listing_id for offer in world.offers]
    assert not (path / "market" / "truth.parquet").exists()
    for table in ("listings", "events"):
        columns = pd.read_parquet(path / "market" / f"{table}.parquet").columns
        assert not {"vibe", "quality"} & set(columns)


def test_no_event_lies_outside_the_life_of_its_listing(small):
    listings, events = (
        pd.read_parquet(small[1] / "market" / f"{name}.parquet") for name in ("listings", "events")
    )
    events = events.merge(listings, on="listing_id")
    assert (events["timestamp"] >= events["published_at"]).all()
    assert (events["timestamp"] < events["expires_at"]).all()
    assert (events["timestamp"] >= FIRST).all()


@pytest.mark.slow
def test_the_oracle_is_the_ceiling_and_popularity_far_below_it(small):
    _, path = small
    market = Market.open(path / "market")
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue)
    oracle = Oracle(World.draw(listings=260, users=900), log)  # the world comes back from its seed
    found = rank_queries([oracle, Popularity.fit(log, split.train)], log, split, catalogue).results
    assert 0.3 < found["oracle"]["recall@10"]["value"] < 0.95
    assert found["popularity"]["recall@10"]["high"] < found["oracle"]["recall@10"]["low"] / 2
    one = oracle.score(split.test.take(slice(3, 4)))
    assert np.array_equal(one[0], oracle.score(split.test.take(slice(0, 8)))[3])  # whatever the batch


def test_photos_are_only_those_that_exist_with_the_cover_first(tmp_path):
    world = World.draw(listings=6, users=5)
    root = tmp_path / "made"
    (root / "photos").mkdir(parents=True)
    assert photos_frame(world.offers, root) is None
    several = next(o.home for o in world.offers if len(o.home.photos) >= 3)
    for name in several.photo_paths[1:]:
        (root / name).write_bytes(b"picture")
    simulate(tmp_path / "market", root, listings=6, users=5)
    photos = pd.read_parquet(tmp_path / "market" / "photos.parquet")
    assert photos["path"].tolist() == several.photo_paths[1:]
    assert photos["position"].tolist() == list(range(len(several.photos) - 1))
    assert all((tmp_path / "market" / name).read_bytes() == b"picture" for name in several.photo_paths[1:])
