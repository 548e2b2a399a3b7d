"""What markets share, in which units, and how a market of a model of several is read by its ranks."""

import numpy as np
import pandas as pd
import pytest

from helpers.tiny import random_photos
from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import FeatureConfig
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.several_markets import (
    BUCKETS,
    MarketRanks,
    common_attributes,
    rank_name,
    same_unit,
)
from listing_vibes.market.market import Market

HOMES = {"rooms": [1, 2, 2, 4], "rent": [500, 800, 900, 2000], "district": ["Old", "Old", "Mill", "Mill"]}


def market(name, currency="EUR", attributes=None, photos=None, **columns) -> Market:
    frame = pd.DataFrame({"listing_id": list("abcd"), **HOMES, **columns})
    kinds = {
        "rent": {"kind": "number", "unit": currency},
        "district": {"kind": "category"},
        **(attributes or {}),
    }
    frame = frame.drop(columns=[key for key, value in columns.items() if value is None])
    kinds = {key: kind for key, kind in kinds.items() if key in frame}
    return Market.from_frames(frame, name=name, currency=currency, attributes=kinds)


def fitted(markets, photos=None, **config):
    every = [np.arange(len(one.listings)) for one in markets]
    chosen = FeatureConfig.model_validate({"text": False} | config)
    return Featurizer.fit(markets, chosen, 8, every, np.empty(0), photos or [None] * len(markets))


def test_a_rank_is_that_within_the_market_and_equal_values_share_one():
    seen = MarketRanks(numbers={"rent": []}).of(pd.DataFrame({"rent": [1.0, 2, 2, 3, np.nan]}))
    ranks = seen.add_ranks(pd.DataFrame({"rent": [1.0, 2, 3, 99, np.nan]}))[rank_name("rent")]
    assert ranks[:4].tolist() == pytest.approx([0.0, 0.5, 1.0, 1.0], abs=0.01) and np.isnan(ranks[4])


def test_expensive_here_transfers_to_a_market_with_another_currency():
    both = [market("A"), market("B", "USD", rent=[5, 8, 9, 20])]
    featurizer = fitted(both)
    vocabulary = featurizer.vocabulary
    assert vocabulary.attribute("rent") is None and vocabulary.attribute("rooms") is not None
    new = market("C", "JPY", rent=[50_000, 80_000, 90_000, 200_000])
    tokens = [featurizer.transform(one, None).tokens for one in (both[0], new)]
    assert tokens[0].bin.tolist() == tokens[1].bin.tolist() and tokens[0].bin.any()
    assert featurizer.within == MarketRanks(numbers={"rooms": [], "rent": []})  # fitted to no market


def test_values_of_one_market_are_read_as_those_of_a_market_that_was_never_seen():
    other = market("B", district=["Old", "Old", "Quay", "Quay"])
    entry = fitted([market("A"), other]).vocabulary.attribute("district")
    assert (entry.values, entry.buckets) == (["Old"], BUCKETS)


def test_a_column_with_another_name_is_shared_by_same_as():
    frame = {"rooms": None, "zimmer": [3, 1, 2, 2]}
    other = market("B", attributes={"zimmer": {"kind": "number", "same_as": "rooms"}}, **frame)
    assert [one.name for one in common_attributes([market("A"), other])] == ["rooms", "rent", "district"]
    assert len(fitted([market("A"), other]).transform(other, None).tokens.key) == 4 * 5


def test_texts_that_the_sentence_encoder_cannot_read_are_tfidf():
    titles = ["駅近の広い家", "静かな和室", "庭付の新築", "格安の部屋"]
    both = [market(name, attributes={"title": {"kind": "text"}}, title=titles) for name in "AB"]
    assert fitted(both, text=True).text.name == "tfidf"


def test_photos_of_all_markets_fit_one_reducer(tiny_market):
    opened = [Market.open(tiny_market(name, listings=6, photos=2)) for name in ("one", "two")]
    given = [random_photos(one, 10, "a", seed) for seed, one in enumerate(opened)]
    assert len(fitted(opened, given).transform(opened[1], given[1]).photo) == 12
    assert fitted(opened, [None, given[1]]).photo_encoder == "a"
    with pytest.raises(VibesError, match="name one with --encoder"):
        fitted(opened, [given[0], random_photos(opened[1], 10, "b")])


@pytest.mark.parametrize(
    "one, other, same",
    [("EUR", "€", True), ("EUR", "USD", False), ("$", "$", False), ("EUR/month", "EUR", False)],
)
def test_amounts_are_compared_where_the_unit_is_the_same(one, other, same):
    assert same_unit("rent", [market("A", one), market("B", other)]) is same


@pytest.mark.parametrize(
    "change",
    [
        {"rooms": ["one", "two", "two", "two"]},
        {"rooms": None, "rent": None, "district": None, "size": [1, 2, 3, 4]},
        {"attributes": {"rent": {"kind": "number", "unit": "nights"}}},
        {"attributes": {"rent": {"kind": "number", "unit": "USD"}}},
    ],
    ids=["type", "nothing shared", "quantity", "currency"],
)
def test_markets_that_contradict_each_other_are_refused(change):
    with pytest.raises(VibesError):
        fitted([market("A"), market("B", **change)])
