"""The featurizer, its photo tokens and the reduction of vectors: fitted on the training period, applied to any market, loaded as saved."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from helpers.tiny import random_photos
from listing_vibes.errors import VibesError
from listing_vibes.features import reduce
from listing_vibes.features.content_spaces import attribute_vectors, photo_space
from listing_vibes.features.featurizer import FeatureConfig, Features, Featurizer
from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.features.reduce import Reducer
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market

COLUMNS = ("offset", "key", "value", "bin", "fraction", "photo", "set_offset", "set_member")


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market(listings=20, photos=3))


@pytest.fixture
def photos(market) -> PhotoVectors:
    return random_photos(market)


def fit(market, vectors, rows=None, **config) -> Featurizer:
    rows = np.arange(len(market.listings)) if rows is None else rows
    config = FeatureConfig.model_validate({"text": False} | config)
    return Featurizer.fit(market, config, 16, rows, np.empty(0), vectors)


def test_listings_after_training_change_nothing_that_was_fitted(market, photos, tmp_path):
    rows, listings = np.arange(10), market.listings.copy()
    listings.loc[10:, "price"] = 1e9
    listings.loc[10:, ["room_type", "title"]] = "a castle of words that nobody knew"
    write_market(tmp_path / "other", market.config, listings, market.photos)
    later = PhotoVectors(photos.vectors.copy(), photos.ok, [], "eye")
    later.vectors[30:] *= 7
    options = {"text": True, "text_encoder": "tfidf"}
    before, after = (
        fit(one, vectors, rows, **options)
        for one, vectors in ((market, photos), (Market.open(tmp_path / "other"), later))
    )
    assert before.vocabulary == after.vocabulary
    assert "review_scores_rating" not in {entry.name for entry in before.vocabulary.attributes}  # excluded
    np.testing.assert_array_equal(before.text.reducer.matrix, after.text.reducer.matrix)
    np.testing.assert_array_equal(before.photo.matrix, after.photo.matrix)


def test_loaded_and_joined_features_are_those_of_all_listings(market, photos, tmp_path):
    fitted = fit(market, photos, text=True, text_encoder="tfidf")
    fitted.save(tmp_path)
    every, loaded = fitted.transform(market, photos), Featurizer.load(tmp_path).transform(market, photos)
    parts = [
        fitted.transform(replace(market, listings=market.listings.iloc[rows].reset_index(drop=True)), None)
        for rows in (range(3), range(3, 20))
    ]
    without, joined = fitted.transform(market, None), parts[0].join(parts[1])
    for one, other in ((every, loaded), (without, joined)):
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(one.tokens, name), getattr(other.tokens, name), name)
        np.testing.assert_allclose(one.text[one.tokens.text], other.text[other.tokens.text], atol=1e-6)
        np.testing.assert_array_equal(one.photo, other.photo)
    digests = every.digests()
    assert len(set(digests)) == 20 and (digests == loaded.digests()).all()
    assert (digests != without.digests()).all()


@pytest.mark.parametrize("missing", ["texts", "vocabulary"])
def test_a_file_of_another_version_is_refused(market, tmp_path, missing):
    fit(market, None).save(tmp_path)
    head = pd.read_json(tmp_path / "vocabulary.json", typ="series").drop(missing)
    head.to_json(tmp_path / "vocabulary.json")
    with pytest.raises(VibesError, match=r"vocabulary\.json and .* of another version .*train it again"):
        Featurizer.load(tmp_path)


def test_vectors_of_another_encoder_are_refused(market, photos):
    with pytest.raises(VibesError, match="--encoder eye"):
        fit(market, photos).transform(market, PhotoVectors(photos.vectors, photos.ok, [], "other eye"))
    with pytest.raises(VibesError, match="is vae"):
        fit(market, photos, photo_encoder="vae")
    assert fit(market, photos, photo_encoder="ey").photo_encoder == "eye"


def test_an_unknown_text_encoder_is_refused():
    with pytest.raises(ValidationError):
        FeatureConfig.model_validate({"text_encoder": "word2vec"})


def attributes_of(folder, **columns):
    """(L, d) the attribute space of a market of this table."""
    market = Market.from_frames(pd.DataFrame({"listing_id": list("abcdef"), **columns})).save(folder)
    featurizer = fit(market, None)
    return attribute_vectors(featurizer, featurizer.transform(market, None))


def test_the_attribute_space_compares_what_differs_and_is_known(tmp_path):
    columns = {
        "city": ["X", "X", "Y", "Y", "X", None],
        "price": [100, 101, 900, 905, 880, np.nan],
        "extras": ["wifi|pool", "wifi|pool", "sauna|view", "sauna|view", "wifi|view", None],
    }
    vectors = attributes_of(tmp_path / "some", **columns)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > 0.9 and cosine[2, 3] > 0.9 and cosine[0, 2] < cosine[0, 4] < cosine[0, 1]
    assert not vectors[5].any()  # nothing is known of it
    columns = {"city": ["X", "X", "Y", "Y", "Z", "Z"], "price": [100, 101, 500, 505, 880, 900]}
    alone = attributes_of(tmp_path / "alone", **columns)
    shared = attributes_of(tmp_path / "shared", **columns, country="NL", year=2020, pets=True)
    np.testing.assert_allclose(shared @ shared.T, alone @ alone.T, atol=1e-5)
    partly = attributes_of(tmp_path / "partly", city=["X", "Y"] * 3, price=[1, 1, 2, 3, 5, np.nan])
    assert partly[:5, :2].any(axis=1).all() and not partly[5, :2].any() and partly[5, 2:].any()
    same = attributes_of(tmp_path / "same", city="X", price=5)
    np.testing.assert_allclose(same @ same.T, 1)


def test_the_photo_space_is_the_mean_of_a_listings_centered_photos():
    vectors = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    ok = np.array([True, True, False, True, True, True])
    found = photo_space(vectors, np.array([0, 0, 1, 2, 2, 3]), ok, 5)
    centered = vectors[ok] - vectors[ok].mean(axis=0)
    centered /= np.linalg.norm(centered, axis=1, keepdims=True)
    expected = centered[0] + centered[1]
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), atol=1e-6)
    assert not found[1].any() and not found[4].any()


@pytest.mark.parametrize("tokenisation", ["tabular", "wordpiece"])
def test_duration_buckets_are_those_of_the_training_period(market, tokenisation):
    config, durations = FeatureConfig(text=False, tokenisation=tokenisation), np.arange(1.0, 101.0)
    featurizer = Featurizer.fit(market, config, 16, np.arange(20), durations, None)
    edges, log = featurizer.vocabulary.duration_edges, EventLog.from_market(market)
    np.testing.assert_allclose(edges, np.quantile(durations, np.arange(1, 8) / 8))
    meta, known = featurizer.meta(log), np.isfinite(log.duration)
    first = featurizer.vocabulary.size + len(featurizer.vocabulary.actions)
    expected = first + np.searchsorted(edges, log.duration[known], "right")
    np.testing.assert_array_equal(meta.duration[known], expected)
    assert not meta.duration[~known].any() and meta.duration.max() < featurizer.vocabulary.total
    assert fit(market, None, meta=False).meta(log) is None


WIDTH = 16


def featurize(market: Market, vectors: PhotoVectors | None, /, **config) -> tuple[Featurizer, Features]:
    rows = np.arange(len(market.listings))
    featurizer = Featurizer.fit(
        market, FeatureConfig(text=False, **config), WIDTH, rows, np.empty(0), vectors
    )
    return featurizer, featurizer.transform(market, vectors)


def photo_tokens(features: Features, row: int) -> np.ndarray:
    """Vectors (n, width) of a listing's photo tokens."""
    tokens = features.tokens
    mine = slice(tokens.offset[row], tokens.offset[row + 1])
    shown = tokens.photo[mine] >= 0
    return features.photo[tokens.photo[mine][shown]]


def usable(market: Market, photos: PhotoVectors, row: int) -> np.ndarray:
    """(n, w) the usable vectors of a listing, in order."""
    mine = (market.photos[C.LISTING] == market.listings[C.LISTING][row]).to_numpy()
    return photos.vectors[mine & photos.ok].astype(np.float32)


@pytest.mark.parametrize("most", [0, 1, 2])
def test_the_first_photos_that_can_be_used_are_tokens_in_their_order(market, most):
    photos = random_photos(market, broken=(0, 5))
    featurizer, features = featurize(market, photos, photos=most)
    assert len(features.photo) == 20 * most
    if not most:
        assert featurizer.photo is None and featurizer.photo_encoder == ""
        return
    for row in range(20):
        expected = featurizer.photo.transform(usable(market, photos, row)[:most])
        np.testing.assert_allclose(photo_tokens(features, row), expected, atol=1e-6)


@pytest.fixture
def vectors() -> np.ndarray:
    """(200, 12) with a clear order of variances."""
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(200, 12)) * np.linspace(3, 0.2, 12)
    return spread @ np.linalg.qr(rng.normal(size=(12, 12)))[0] + 5


@pytest.mark.parametrize("width", [1, 5, 12])
def test_it_equals_a_plain_svd_of_mean_norm_one(vectors, width):
    centered = vectors - vectors.mean(axis=0)
    projected = centered @ np.linalg.svd(centered, full_matrices=False)[2][:width].T
    reducer = Reducer.fit(vectors, width)
    out = reducer.transform(vectors)
    assert out.shape == (200, width) and out.dtype == np.float32
    expected = projected / np.linalg.norm(projected, axis=1).mean()
    np.testing.assert_allclose(np.abs(out), np.abs(expected), atol=1e-5)
    shuffled = Reducer.fit(np.random.default_rng(1).permutation(vectors), width)
    np.testing.assert_allclose(shuffled.matrix, reducer.matrix, atol=1e-5)  # the signs are the same


def test_whitening_equalizes_the_variances_and_shrinkage_tempers_it(vectors, monkeypatch):
    def ratio(shrinkage: float, whiten: bool) -> float:
        monkeypatch.setattr(reduce, "SHRINKAGE", shrinkage)
        out = Reducer.fit(vectors, 12, whiten).transform(vectors)
        assert np.linalg.norm(out, axis=1).mean() == pytest.approx(1, abs=1e-5)
        return out.std(axis=0).max() / out.std(axis=0).min()

    default = reduce.SHRINKAGE
    assert ratio(0.0, True) == pytest.approx(1, abs=1e-3)
    assert 1.1 < ratio(default, True) < ratio(default, False)
    assert 1.1 < ratio(0.1, True) < ratio(0.5, True) < ratio(0.1, False)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize(("rows", "width", "rank"), [(200, 20, 12), (5, 8, 4), (1, 4, 0)])
def test_missing_components_are_zero(vectors, rows, width, rank, whiten):
    out = Reducer.fit(vectors[:rows], width, whiten).transform(vectors[:rows])
    assert out.shape == (rows, width) and np.isfinite(out).all()
    assert not out[:, rank:].any() and (out[:, :rank] != 0).any(axis=0).all()


def test_it_survives_a_file_and_a_vector_that_is_not_finite_is_refused(vectors, tmp_path):
    reducer = Reducer.fit(vectors, 20, whiten=True)
    save_file(reducer.to_arrays(), tmp_path / "reducer.safetensors")
    arrays = load_file(tmp_path / "reducer.safetensors")
    np.testing.assert_array_equal(Reducer.from_arrays(arrays).transform(vectors), reducer.transform(vectors))
    vectors[3, 3] = np.nan
    with pytest.raises(VibesError):
        Reducer.fit(vectors, 4)
