"""Features put together from parts are those made of the whole."""

from dataclasses import replace

import numpy as np
import pytest

from listing_vibes.features.featurizer import FeatureConfig, Features, Featurizer
from listing_vibes.features.merging import join_features
from listing_vibes.market.market import Market


@pytest.fixture
def made(tiny_market):
    market = Market.open(tiny_market(listings=10, photos=0))
    config = FeatureConfig(text_views=("tfidf",))
    featurizer = Featurizer.fit(market, config, 8, np.arange(10), np.empty(0), None)

    def of(rows) -> Features:
        listings = market.listings.iloc[rows].reset_index(drop=True)
        return featurizer.transform(replace(market, listings=listings), None)

    return of


def same(one: Features, two: Features) -> None:
    for name in ("offset", "key", "value", "bin", "fraction", "set_offset", "set_member", "photo"):
        np.testing.assert_array_equal(getattr(one.tokens, name), getattr(two.tokens, name), err_msg=name)
    assert ((one.tokens.text >= 0) == (two.tokens.text >= 0)).all()
    # The sentence encoder rounds differently in other batches.
    np.testing.assert_allclose(one.text[one.tokens.text], two.text[two.tokens.text], atol=1e-6)


def test_joined_features_are_those_of_all_listings(made):
    same(join_features(made([0, 1, 2]), made(range(3, 10))), made(range(10)))
