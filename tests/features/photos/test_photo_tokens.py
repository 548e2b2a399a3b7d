"""The photo tokens of a listing: which photos, by which encoders."""

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


def vectors_of(
    market: Market, name: str, width: int, seed: int, broken: tuple[int, ...] = (0, 5)
) -> PhotoVectors:
    vectors = np.random.default_rng(seed).normal(size=(len(market.photos), width)).astype(np.float16)
    ok = np.ones(len(vectors), bool)
    ok[list(broken)] = False
    return PhotoVectors(np.where(ok[:, None], vectors, 0).astype(np.float16), ok, [], name)


def featurize(market: Market, vectors: PhotoVectors | None, /, **config) -> tuple[Featurizer, Features]:
    rows = np.arange(len(market.listings))
    featurizer = Featurizer.fit(
        market, FeatureConfig(text=False, **config), WIDTH, rows, np.empty(0), vectors
    )
    return featurizer, featurizer.transform(market, vectors)


def tokens_of(features: Features, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys (n,) and vectors (n, width) of a listing's photo tokens."""
    tokens = features.tokens
    mine = slice(tokens.offset[row], tokens.offset[row + 1])
    shown = tokens.photo[mine] >= 0
    return tokens.key[mine][shown], features.photo[tokens.photo[mine][shown]]


def usable(market: Market, photos: PhotoVectors, row: int) -> np.ndarray:
    """(n, w) the usable vectors of a listing, in order."""
    mine = (market.photos[C.LISTING] == market.listings[C.LISTING][row]).to_numpy()
    return photos.vectors[mine & photos.ok].astype(np.float32)


@pytest.mark.parametrize("most", [0, 1, 2])
def test_the_first_photos_that_can_be_used_are_tokens_in_their_order(market, most):
    photos = vectors_of(market, "a", 24, 0)
    featurizer, features = featurize(market, photos, photos=most)
    assert len(features.photo) == 20 * most
    if not most:
        assert featurizer.photo is None and featurizer.photo_encoder == ""
        return
    for row in range(20):
        expected = featurizer.photo.transform(usable(market, photos, row)[:most])
        np.testing.assert_allclose(tokens_of(features, row)[1], expected, atol=1e-6)


def test_each_of_two_encoders_has_its_own_tokens(market, tmp_path):
    a, b = vectors_of(market, "a", 24, 0), vectors_of(market, "b", 10, 1, broken=(1,))
    featurizer, features = featurize(market, combine([a, b]), photos=2)
    assert featurizer.photo_encoder == "a+b" and featurizer.vocabulary.photo_views == 2
    second = photo_key(featurizer.vocabulary, 1)
    for row in (0, 1, 19):
        keys, vectors = tokens_of(features, row)
        shown = [
            reducer.transform(usable(market, photos, row)[:2])
            for reducer, photos in zip(featurizer.photo_reducers, (a, b), strict=True)
        ]
        assert keys.tolist() == [PHOTO] * len(shown[0]) + [second] * len(shown[1])
        np.testing.assert_allclose(vectors, np.concatenate(shown), atol=1e-6)
    featurizer.save(tmp_path)
    loaded = Featurizer.load(tmp_path)
    np.testing.assert_array_equal(loaded.transform(market, combine([a, b])).photo, features.photo)
    for other in (a, combine([b, a])):
        with pytest.raises(VibesError, match=r"a\+b"):
            featurizer.transform(market, other)


def test_two_concatenated_encoders_are_one_token_where_both_have_a_vector(market):
    a, b = vectors_of(market, "a", 24, 0), vectors_of(market, "b", 10, 1, broken=(1,))
    both = combine([a, b])
    assert both.vectors.shape[1] == 34 and (both.ok == (a.ok & b.ok)).all() and combine([a]) is a
    for part in (both.vectors[both.ok, :24], both.vectors[both.ok, 24:]):
        np.testing.assert_allclose(np.linalg.norm(part.astype(float), axis=1), 1, atol=1e-2)
    featurizer, features = featurize(market, both, photo_join="concat")
    assert featurizer.vocabulary.photo_views == 1
    expected = featurizer.photo.transform(usable(market, both, 0))
    np.testing.assert_allclose(tokens_of(features, 0)[1], expected, atol=1e-6)
