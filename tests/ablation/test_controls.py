"""Controls keep what makes a fingerprint (norms, equal rows, who has content) and take away the meaning."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.ablation.controls import control_content, donors, random_like
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


def test_random_vectors_keep_norms_and_equalities_and_nothing_else():
    vectors = np.random.default_rng(0).normal(size=(200, 32)).astype(np.float32)
    vectors[7] = vectors[3]
    vectors[9] = 0
    found = random_like(vectors, seed=1)
    assert found.dtype == np.float32 and found.shape == vectors.shape
    np.testing.assert_allclose(
        np.linalg.norm(found, axis=1), np.linalg.norm(vectors, axis=1), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_array_equal(found[7], found[3])
    cosine = (found * vectors).sum(1) / np.maximum(np.linalg.norm(vectors, axis=1) ** 2, 1e-9)
    assert abs(cosine.mean()) < 0.05 and np.abs(cosine).max() < 0.8
    np.testing.assert_array_equal(found, random_like(vectors, seed=1))
    assert random_like(np.zeros((0, 4), np.float32), 0).shape == (0, 4)


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market(listings=20, photos=3))


@pytest.fixture
def photos(market) -> PhotoVectors:
    vectors = np.random.default_rng(0).normal(size=(len(market.photos), 8)).astype(np.float16)
    vectors[market.photos[C.LISTING].eq(market.listings[C.LISTING][1]).to_numpy()] = 1
    return PhotoVectors(vectors, np.arange(len(vectors)) % 7 > 0, [], "eye")


def shown(market: Market, photos: PhotoVectors) -> list[bytes]:
    """The vectors of each listing's photos, in order."""
    owner = market.photos[C.LISTING].map(market.listing_row)
    return [photos.vectors[(owner == row).to_numpy()].tobytes() for row in range(len(market.listings))]


def test_photos_move_together_from_listing_to_listing(market, photos):
    found, moved = control_content("shuffled-photos", market, photos)
    before, after = shown(market, photos), shown(found, moved)
    assert sorted(before) == sorted(after) and before != after
    owner = found.photos[C.LISTING].map(found.listing_row).to_numpy()
    assert (np.diff(owner) >= 0).all() and moved.ok.sum() == photos.ok.sum()
    again = control_content("shuffled-photos", market, photos)
    assert shown(*again) == after and shown(market, photos) == before


def test_random_photos_are_as_many_and_equal_ones_stay_equal(market, photos):
    found, drawn = control_content("random-photos", market, photos)
    assert found is market and drawn.vectors.shape == photos.vectors.shape
    equal = market.photos[C.LISTING].eq(market.listings[C.LISTING][1]).to_numpy()
    assert (drawn.vectors[equal] == drawn.vectors[equal][0]).all()
    assert not np.allclose(drawn.vectors.astype(float), photos.vectors.astype(float))


def test_texts_move_from_listing_to_listing(market):
    found, _ = control_content("shuffled-texts", market, None)
    before, after = market.listings["title"].tolist(), found.listings["title"].tolist()
    assert sorted(before) == sorted(after) and before != after
    assert found.listings.drop(columns="title").equals(market.listings.drop(columns="title"))


def test_random_texts_are_as_many_words_of_the_market_and_the_same_for_the_same_text(market):
    market.listings.loc[3, "title"] = market.listings["title"][4]
    market.listings.loc[5, "title"] = None
    found, _ = control_content("random-texts", market, None)
    before, after = market.listings["title"], found.listings["title"]
    known = {word for text in before.dropna() for word in text.split()}
    assert [len(text.split()) for text in before.dropna()] == [len(text.split()) for text in after.dropna()]
    assert {word for text in after.dropna() for word in text.split()} <= known
    assert after[3] == after[4] and pd.isna(after[5]) and not after.dropna().equals(before.dropna())


def test_events_trade_action_and_duration_together(market):
    found, _ = control_content("permuted-meta", market, None)
    pairs = [
        events[[C.ACTION, C.DURATION]].astype(str).agg(" ".join, axis=1)
        for events in (market.events, found.events)
    ]
    assert sorted(pairs[0]) == sorted(pairs[1]) and not pairs[0].equals(pairs[1])
    rest = [C.USER, C.LISTING, C.TIMESTAMP]
    assert found.events[rest].equals(market.events[rest])
