"""The photo tokens of a listing: which photos, in which order."""

import numpy as np
import pytest

from listing_vibes.features.featurizer import FeatureConfig, Features, Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors
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
    photos = vectors_of(market, "a", 24, 0)
    featurizer, features = featurize(market, photos, photos=most)
    assert len(features.photo) == 20 * most
    if not most:
        assert featurizer.photo is None and featurizer.photo_encoder == ""
        return
    for row in range(20):
        expected = featurizer.photo.transform(usable(market, photos, row)[:most])
        np.testing.assert_allclose(photo_tokens(features, row), expected, atol=1e-6)
