"""Fitted on the training period, applied to any market, read back as it was written."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import attribute_vectors, photo_space
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market(listings=20, photos=3))


@pytest.fixture
def photos(market) -> PhotoVectors:
    vectors = np.random.default_rng(0).normal(size=(len(market.photos), 24)).astype(np.float16)
    ok = np.ones(len(vectors), bool)
    ok[[0, 5]] = False  # the cover of the first listing and one more are broken
    return PhotoVectors(np.where(ok[:, None], vectors, 0).astype(np.float16), ok, [], "eye")


def fit(market, vectors, rows=None, **config) -> Featurizer:
    rows = np.arange(len(market.listings)) if rows is None else rows
    return Featurizer.fit(market, FeatureConfig(text=False, **config), 16, rows, np.empty(0), vectors)


def test_photos_are_told_in_order_and_broken_ones_are_skipped(market, photos):
    features = fit(market, photos, photos=2).transform(market, photos)
    tokens = features.tokens
    first = tokens.photo[tokens.offset[0] : tokens.offset[1]]
    told = features.photo[first[first >= 0]]
    reducer = fit(market, photos, photos=2).photo
    np.testing.assert_allclose(told, reducer.transform(photos.vectors[[1, 2]].astype(np.float32)), atol=1e-6)
    last = tokens.photo[tokens.offset[19] : tokens.offset[20]]
    assert (last >= 0).sum() == 2


def test_excluded_columns_have_no_token(market, photos):
    featurizer = fit(market, photos)
    assert "review_scores_rating" not in {entry.name for entry in featurizer.vocabulary.attributes}


def test_what_comes_after_training_changes_nothing_that_was_fitted(market, photos, tmp_path):
    """Listings outside the training rows may say what they like: the vocabulary and the reducers stay."""
    rows = np.arange(10)
    listings = market.listings.copy()
    listings.loc[10:, "price"] = 1e9
    listings.loc[10:, "room_type"] = "Castle"
    write_market(tmp_path / "other", market.config, listings, market.photos)
    other = Market.open(tmp_path / "other")
    changed = PhotoVectors(photos.vectors.copy(), photos.ok, [], "eye")
    changed.vectors[30:] *= 7
    before, after = fit(market, photos, rows), fit(other, changed, rows)
    assert before.vocabulary == after.vocabulary
    np.testing.assert_array_equal(before.photo.matrix, after.photo.matrix)


def test_saved_and_loaded_gives_the_same_features(market, photos, tmp_path):
    featurizer = fit(market, photos)
    featurizer.save(tmp_path)
    loaded = Featurizer.load(tmp_path)
    one, two = featurizer.transform(market, photos), loaded.transform(market, photos)
    np.testing.assert_array_equal(one.photo, two.photo)
    for name in ("offset", "key", "value", "bin", "fraction", "photo", "text", "set_offset", "set_member"):
        np.testing.assert_array_equal(getattr(one.tokens, name), getattr(two.tokens, name))


def test_vectors_of_another_encoder_are_refused(market, photos):
    with pytest.raises(VibesError, match="'eye'"):
        fit(market, photos).transform(market, PhotoVectors(photos.vectors, photos.ok, [], "other eye"))


def test_texts_become_sentence_vectors(market):
    featurizer = Featurizer.fit(market, FeatureConfig(), 16, np.arange(20), np.empty(0), None)
    features = featurizer.transform(market, None)
    assert len(features.text) == market.listings["title"].nunique()
    assert (features.tokens.text >= 0).sum() == 20


def test_attribute_space_puts_equals_together(tmp_path):
    table = pd.DataFrame(
        {
            "listing_id": list("abcdef"),
            "city": ["X", "X", "Y", "Y", "X", None],
            "price": [100, 101, 900, 905, 880, np.nan],
            "extras": ["wifi|pool", "wifi|pool", "sauna|view", "sauna|view", "wifi|view", None],
        }
    )
    vectors = _attributes(tmp_path / "m", table)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > 0.9 and cosine[2, 3] > 0.9
    assert cosine[0, 2] < cosine[0, 4] < cosine[0, 1]
    assert not vectors[5].any()  # nothing is known of it


def _attributes(folder, table):
    """(L, d) the attribute space of a market of this table."""
    folder.mkdir()
    write_market(folder / "m", Market.open(_csv(folder, table)).config, table)
    market = Market.open(folder / "m")
    featurizer = fit(market, None)
    return attribute_vectors(featurizer, featurizer.transform(market, None))


def test_what_all_listings_share_makes_none_alike(tmp_path):
    table = pd.DataFrame(
        {
            "listing_id": list("abcdef"),
            "city": ["X", "X", "Y", "Y", "Z", "Z"],
            "price": [100, 101, 500, 505, 880, 900],
        }
    )
    alone = _attributes(tmp_path / "alone", table)
    shared = table.assign(country="NL", year=2020, extras="wifi|pool", pets=True)
    beside = _attributes(tmp_path / "shared", shared)
    np.testing.assert_allclose(beside @ beside.T, alone @ alone.T, atol=1e-5)
    assert (alone @ alone.T)[0, 4] < 0 < 0.9 < (alone @ alone.T)[0, 1]


def test_an_attribute_that_a_listing_lacks_says_nothing(tmp_path):
    table = pd.DataFrame(
        {"listing_id": list("abcdef"), "city": ["X", "Y"] * 3, "price": [1, 1, 2, 3, 5, np.nan]}
    )
    found = _attributes(tmp_path / "m", table)
    assert found[:5, :2].any(axis=1).all() and not found[5, :2].any()  # a number's angle is two columns
    assert found[5, 2:].any()


def test_listings_that_are_all_the_same_are_all_alike(tmp_path):
    table = pd.DataFrame({"listing_id": list("abc"), "city": ["X", "X", "X"], "price": [5, 5, 5]})
    np.testing.assert_allclose((found := _attributes(tmp_path / "m", table)) @ found.T, 1)


def _csv(folder, table):
    (folder / "csv").mkdir()
    table.to_csv(folder / "csv" / "listings.csv", index=False)
    return folder / "csv"


def test_photo_space_is_the_mean_look_of_a_listing():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 8)).astype(np.float32)
    ok = np.array([True, True, False, True, True, True])
    found = photo_space(vectors, np.array([0, 0, 1, 2, 2, 3]), ok, 5)
    centred = vectors[ok] - vectors[ok].mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    expected = centred[0] + centred[1]
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), atol=1e-6)
    assert not found[1].any() and not found[4].any()


@pytest.mark.parametrize("tokenisation", ["tabular", "wordpiece"])
def test_duration_buckets_are_those_of_the_training_period(market, tokenisation):
    """The caller hands over the training events' durations; later ones fall into the outer buckets."""
    config = FeatureConfig(text=False, tokenisation=tokenisation)
    durations = np.arange(1.0, 101.0)
    featurizer = Featurizer.fit(market, config, 16, np.arange(20), durations, None)
    edges = featurizer.vocabulary.duration_edges
    np.testing.assert_allclose(edges, np.quantile(durations, np.arange(1, 8) / 8))
    log = EventLog.from_market(market)
    meta = featurizer.meta(log)
    first = featurizer.vocabulary.size + len(featurizer.vocabulary.actions)
    known = np.isfinite(log.duration)
    expected = first + np.searchsorted(edges, log.duration[known], "right")
    np.testing.assert_array_equal(meta.duration[known], expected)
    assert not meta.duration[~known].any() and meta.duration.max() < featurizer.vocabulary.total


def test_a_model_that_is_given_no_meta_has_none(market):
    assert fit(market, None, meta=False).meta(EventLog.from_market(market)) is None


def test_a_configuration_that_names_other_photo_encoders_is_refused(market, photos):
    with pytest.raises(VibesError, match="is vae"):
        fit(market, photos, photo_encoders=("vae",))
    assert fit(market, photos, photo_encoders=("ey",)).photo_encoder == "eye"
