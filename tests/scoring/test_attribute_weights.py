"""Weights of the attributes space: what a match is worth in the events of training, and in another market without any."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.content_spaces import AttributeSpace, attribute_vectors
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split, next_listing
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.newcomers import encode_attributes
from listing_vibes.run.run import Run
from listing_vibes.scoring.attribute_weights import (
    fit_attribute_weights,
    sampled_features,
    weighted_attributes,
)
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.tuning import recall

CITIES, COLORS = 12, 4


def market_where_cities_matter(folder, users: int) -> Market:
    """Users stay in a city, whatever the color and the price."""
    rng, listings = np.random.default_rng(0), 360
    city, color = rng.integers(CITIES, size=listings), rng.integers(COLORS, size=listings)
    columns = {"city": [f"city {n}" for n in city], "color": [f"color {n}" for n in color]}
    frame = pd.DataFrame(
        {
            "listing_id": [f"h{n}" for n in range(listings)],
            **columns,
            "price": rng.integers(900, size=listings),
        }
    )
    events = [
        {"user_id": f"u{user}", "listing_id": f"h{row}", "timestamp": pd.Timestamp("2024-01-01") + pd.Timedelta(hours=int(hour))}
        for user in range(users)
        for row, hour in zip(
            rng.choice(np.flatnonzero(city == user % CITIES), 3, replace=False), np.sort(rng.integers(5000, size=3)), strict=True
        )
    ]  # fmt: skip
    columns = ["user_id", "listing_id", "timestamp"]
    return Market.from_frames(frame, pd.DataFrame(events, columns=columns)).save(folder)


def test_a_match_that_events_share_gets_a_high_weight_and_neighbors_by_it_a_higher_recall(tmp_path):
    market = market_where_cities_matter(tmp_path / "market", users=120)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split, space = make_split(log, catalogue), AttributeSpace.of(market, {})
    weights = fit_attribute_weights(space, log, split, catalogue)
    assert weights["city"] > 1.7 and max(weights["color"], weights["price"]) < 0.7
    assert np.mean([*weights.values()]) == pytest.approx(1, abs=0.01)

    def reached(weights: dict[str, float]) -> float:
        near = VectorNeighbors.of(replace(space, weights=weights).vectors(), log)
        return recall(near, log, split.test, catalogue)

    assert reached(weights) > reached({}) + 0.05
    one = replace(split, train=split.train & (log.user == 0))
    assert fit_attribute_weights(space, log, one, catalogue)["city"] < weights["city"]


def test_a_target_is_not_among_its_own_negatives(tmp_path):
    market = market_where_cities_matter(tmp_path / "market", users=60)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    space, split = AttributeSpace.of(market, {}), make_split(log, catalogue)
    queries = next_listing(log, catalogue, log.before, split.train)
    sampled = [*sampled_features(space, log, split, catalogue, queries, np.random.default_rng(0))]
    features, valid = (
        np.concatenate(part) for part in zip(*sampled, strict=True)
    )  # (Q, 1 + C, F), (Q, 1 + C)
    # No two listings have the same city, color and price, so that only the target has its features.
    assert not market.listings.duplicated(["city", "color", "price"]).any()
    is_target = np.isclose(features[:, 1:], features[:, :1], atol=1e-6).all(axis=2)
    assert valid[:, 0].all() and is_target.any() and not (is_target & valid[:, 1:]).any()


def test_listings_of_a_market_whose_attribute_is_worth_nothing_still_have_vectors(tmp_path):
    rng, color = np.random.default_rng(0), np.arange(360) % COLORS
    listings = pd.DataFrame({"listing_id": [f"h{n}" for n in range(360)], "color": [f"c{n}" for n in color]})
    chosen = (
        rng.integers(90, size=(1200, 3)) * COLORS
        + rng.permuted(np.tile(np.arange(COLORS), (1200, 1)), axis=1)[:, :3]
    )
    events = pd.DataFrame(
        {
            "user_id": np.repeat([f"u{n}" for n in range(1200)], 3),
            "listing_id": [f"h{n}" for n in chosen.ravel()],  # never the same color twice
            "timestamp": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.permutation(3600), unit="h"),
        }
    )
    market = Market.from_frames(listings, events).save(tmp_path / "colors")
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    space = weighted_attributes(market, log, make_split(log, catalogue), catalogue, {}, 0)
    assert space is not None and np.abs(space.vectors()).any(axis=1).all()


def test_weights_of_the_attributes_are_those_of_their_cosines(tmp_path):
    market = market_where_cities_matter(tmp_path / "market", users=2)
    space = AttributeSpace.of(market, {})
    alone = replace(space, weights={"color": 0.0, "price": 0.0}).vectors()
    rows = market.listings["city"].to_numpy()
    np.testing.assert_allclose(np.sign(alone @ alone.T), np.where(rows[:, None] == rows, 1, -1))
    np.testing.assert_array_equal(space.vectors(), attribute_vectors(space.featurizer, space.features))


def test_a_run_keeps_its_weights_and_a_market_without_events_takes_those_of_the_model(tmp_path):
    market = market_where_cities_matter(tmp_path / "market", users=60)
    weights = embed_market(market, tmp_path / "run", None).attribute_weights
    assert weights["city"] > 1.7
    run = Run.open(tmp_path / "run")
    listings = len(market.listings)
    encoded = encode_attributes(run, run.market)[:listings]
    np.testing.assert_allclose(encoded, run.vectors("attributes"), atol=2e-3)
    empty = market_where_cities_matter(tmp_path / "empty", users=0)
    assert embed_market(empty, tmp_path / "other", None).attribute_weights == {}
    log, catalogue = EventLog.from_market(empty), Catalogue.of(empty)
    carried = weighted_attributes(empty, log, None, catalogue, weights | {"rooms": 2.0}, 0)
    assert carried is not None and carried.weights == weights
    assert Manifest.load(tmp_path / "run").attribute_weights == weights
