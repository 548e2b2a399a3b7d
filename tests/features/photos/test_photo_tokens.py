"""Which photos of a listing are told, in which mode, by which encoders; and the two controls."""

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import FeatureConfig, Features, Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors, combine
from listing_vibes.features.tokens.tabular import PHOTO, photo_key
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market

WIDTH = 16


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market(listings=20, photos=3))


def eye(market: Market, name: str, width: int, seed: int, broken: tuple[int, ...] = (0, 5)) -> PhotoVectors:
    vectors = np.random.default_rng(seed).normal(size=(len(market.photos), width)).astype(np.float16)
    ok = np.ones(len(vectors), bool)
    ok[list(broken)] = False
    return PhotoVectors(np.where(ok[:, None], vectors, 0).astype(np.float16), ok, [], name)


def told(market: Market, vectors: PhotoVectors | None, /, **config) -> tuple[Featurizer, Features]:
    whole = FeatureConfig(text=False, **config)
    featurizer = Featurizer.fit(market, whole, WIDTH, np.arange(len(market.listings)), np.empty(0), vectors)
    return featurizer, featurizer.transform(market, vectors)


def of_listing(features: Features, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys (n,) and vectors (n, width) of a listing's photo tokens."""
    tokens = features.tokens
    mine = slice(tokens.offset[row], tokens.offset[row + 1])
    shown = tokens.photo[mine] >= 0
    return tokens.key[mine][shown], features.photo[tokens.photo[mine][shown]]


def usable(market: Market, photos: PhotoVectors, row: int) -> np.ndarray:
    """(n, w) the usable vectors of a listing, in order."""
    mine = (market.photos[C.LISTING] == market.listings[C.LISTING][row]).to_numpy()
    return photos.vectors[mine & photos.ok].astype(np.float32)


def test_cover_is_the_first_photo_that_can_be_used(market):
    photos = eye(market, "a", 24, 0)
    featurizer, features = told(market, photos, photos=1)
    assert len(features.photo) == 20
    for row in range(20):
        expected = featurizer.photo.transform(usable(market, photos, row)[:1])
        np.testing.assert_allclose(of_listing(features, row)[1], expected, atol=1e-6)


def test_none_tells_no_photo(market):
    featurizer, features = told(market, eye(market, "a", 24, 0), photos=0)
    assert featurizer.photo is None and featurizer.photo_encoder == ""
    assert (features.tokens.photo == -1).all() and features.photo.shape == (0, WIDTH)


def test_two_encoders_have_tokens_of_their_own(market, tmp_path):
    a, b = eye(market, "a", 24, 0), eye(market, "b", 10, 1, broken=(1,))
    featurizer, features = told(market, combine([a, b]), photos=2)
    assert featurizer.photo_encoder == "a+b" and featurizer.vocabulary.photo_views == 2
    second = photo_key(featurizer.vocabulary, 1)
    for row in (0, 1, 19):
        keys, vectors = of_listing(features, row)
        shown = [
            reducer.transform(usable(market, photos, row)[:2])
            for reducer, photos in zip(featurizer.photo_reducers, (a, b), strict=True)
        ]
        assert keys.tolist() == [PHOTO] * len(shown[0]) + [second] * len(shown[1])
        np.testing.assert_allclose(vectors, np.concatenate(shown), atol=1e-6)
    featurizer.save(tmp_path)
    np.testing.assert_array_equal(
        Featurizer.load(tmp_path).transform(market, combine([a, b])).photo, features.photo
    )


def test_two_encoders_side_by_side_are_one_token_where_both_know_the_photo(market):
    a, b = eye(market, "a", 24, 0), eye(market, "b", 10, 1, broken=(1,))
    both = combine([a, b])
    assert both.vectors.shape[1] == 34 and (both.ok == (a.ok & b.ok)).all()
    np.testing.assert_allclose(np.linalg.norm(both.vectors[both.ok, :24].astype(float), axis=1), 1, atol=1e-2)
    np.testing.assert_allclose(np.linalg.norm(both.vectors[both.ok, 24:].astype(float), axis=1), 1, atol=1e-2)
    featurizer, features = told(market, both, photo_join="concat")
    assert featurizer.vocabulary.photo_views == 1
    np.testing.assert_allclose(
        of_listing(features, 0)[1], featurizer.photo.transform(usable(market, both, 0)), atol=1e-6
    )


def test_vectors_of_other_encoders_are_refused(market):
    a, b = eye(market, "a", 24, 0), eye(market, "b", 24, 1)
    featurizer, _ = told(market, combine([a, b]))
    for other in (a, combine([b, a])):
        with pytest.raises(VibesError, match=r"a\+b"):
            featurizer.transform(market, other)
    assert combine([a]) is a
