"""Controls keep which listings have content, and give it to others."""

import numpy as np
import pytest

from listing_vibes.ablation.grid import CONTROLS, donors
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market


def test_everybody_with_content_gets_anothers_and_nobody_else_does():
    has = np.random.default_rng(0).random(50) < 0.6
    donor = donors(has, seed=3)
    with_content = np.flatnonzero(has)
    assert sorted(donor[with_content]) == with_content.tolist()
    assert (donor[with_content] != with_content).all()
    assert (donor[~has] == np.flatnonzero(~has)).all()
    np.testing.assert_array_equal(donor, donors(has, seed=3))
    assert not np.array_equal(donor, donors(has, seed=4))
    assert donors(np.array([False, True, False]), 0).tolist() == [0, 1, 2]  # one alone keeps its content
    assert donors(np.zeros(0, bool), 0).tolist() == []


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market(listings=20, photos=3))


@pytest.fixture
def photos(market) -> PhotoVectors:
    vectors = np.random.default_rng(0).normal(size=(len(market.photos), 8)).astype(np.float16)
    return PhotoVectors(vectors, np.arange(len(vectors)) % 7 > 0, [], "eye")


def shown(market: Market, photos: PhotoVectors) -> list[bytes]:
    """The vectors of each listing's photos, in order."""
    owner = market.photos[C.LISTING].map(market.listing_row)
    return [photos.vectors[(owner == row).to_numpy()].tobytes() for row in range(len(market.listings))]


def test_photos_move_together_from_listing_to_listing(market, photos):
    found, moved = CONTROLS["shuffled-photos"](market, photos)
    before, after = shown(market, photos), shown(found, moved)
    assert sorted(before) == sorted(after) and before != after
    owner = found.photos[C.LISTING].map(found.listing_row).to_numpy()
    assert (np.diff(owner) >= 0).all() and moved.ok.sum() == photos.ok.sum()
    again = CONTROLS["shuffled-photos"](market, photos)
    assert shown(*again) == after and shown(market, photos) == before


def test_texts_move_from_listing_to_listing(market):
    found, _ = CONTROLS["shuffled-texts"](market, None)
    before, after = market.listings["title"].tolist(), found.listings["title"].tolist()
    assert sorted(before) == sorted(after) and before != after
    assert found.listings.drop(columns="title").equals(market.listings.drop(columns="title"))


def test_events_trade_action_and_duration_together(market):
    found, _ = CONTROLS["shuffled-event-features"](market, None)
    pairs = [
        events[[C.ACTION, C.DURATION]].astype(str).agg(" ".join, axis=1)
        for events in (market.events, found.events)
    ]
    assert sorted(pairs[0]) == sorted(pairs[1]) and not pairs[0].equals(pairs[1])
    rest = [C.USER, C.LISTING, C.TIMESTAMP]
    assert found.events[rest].equals(market.events[rest])
