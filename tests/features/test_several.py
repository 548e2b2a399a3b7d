"""What markets share, in which units, and how one of them looks from inside."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.market_ranks import MarketRanks, rank_name
from listing_vibes.features.several import BUCKETS, fit_featurizer, same_unit, shared_attributes
from listing_vibes.market.market import Market

HOMES = {"rooms": [1, 2, 2, 4], "rent": [500, 800, 900, 2000], "district": ["Old", "Old", "Mill", "Mill"]}


def market(name, currency="EUR", attributes=None, **columns) -> Market:
    frame = pd.DataFrame({"listing_id": list("abcd"), **HOMES, **columns})
    kinds = {
        "rent": {"kind": "number", "unit": currency},
        "district": {"kind": "category"},
        **(attributes or {}),
    }
    frame = frame.drop(columns=[key for key, value in columns.items() if value is None])
    kinds = {key: kind for key, kind in kinds.items() if key in frame}
    return Market.from_frames(frame, name=name, currency=currency, attributes=kinds)


def fitted(markets, tmp_path, **config):
    every = [np.arange(len(one.listings)) for one in markets]
    chosen = FeatureConfig(text=False, **config)
    return fit_featurizer(markets, chosen, 8, every, np.empty(0), [None] * len(markets), tmp_path)


def test_a_rank_is_that_within_the_market_and_equal_values_share_one():
    seen = MarketRanks(numbers={"rent": []}).of(pd.DataFrame({"rent": [1.0, 2, 2, 3, np.nan]}))
    ranks = seen.add_ranks(pd.DataFrame({"rent": [1.0, 2, 3, 99, np.nan]}))[rank_name("rent")]
    assert ranks[:4].tolist() == pytest.approx([0.0, 0.5, 1.0, 1.0], abs=0.01) and np.isnan(ranks[4])
    assert ranks[1] == pytest.approx(0.5)


def test_expensive_here_carries_over_to_a_market_with_other_money(tmp_path):
    both = [market("A"), market("B", "USD", rent=[5, 8, 9, 20])]
    featurizer = fitted(both, tmp_path)
    assert (
        featurizer.vocabulary.attribute("rent") is None
        and featurizer.vocabulary.attribute("rooms") is not None
    )
    new = market("C", "JPY", rent=[50_000, 80_000, 90_000, 200_000])
    told = [featurizer.transform(one, None).tokens for one in (both[0], new)]
    assert told[0].bin.tolist() == told[1].bin.tolist() and told[0].bin.any()
    assert featurizer.within == MarketRanks(numbers={"rooms": [], "rent": []})  # of nobody's market


def test_values_of_one_market_alone_are_told_as_a_market_never_seen_would_tell_them(tmp_path):
    other = market("B", district=["Old", "Old", "Quay", "Quay"])
    entry = fitted([market("A"), other], tmp_path).vocabulary.attribute("district")
    assert (entry.values, entry.buckets) == (["Old"], BUCKETS)


def test_a_column_with_another_name_is_shared_by_same_as(tmp_path):
    frame = {"rooms": None, "zimmer": [3, 1, 2, 2]}
    other = market("B", attributes={"zimmer": {"kind": "number", "same_as": "rooms"}}, **frame)
    assert [one.name for one in shared_attributes([market("A"), other])] == ["rooms", "rent", "district"]
    assert len(fitted([market("A"), other], tmp_path).transform(other, None).tokens.key) == 4 * 5


def test_texts_that_the_sentence_encoder_cannot_read_are_not_embedded_for_several_markets(
    tmp_path, monkeypatch
):
    def never(*_):
        raise AssertionError("embedded")

    monkeypatch.setattr("listing_vibes.features.several.carry_vectors", never)
    titles = ["駅近の広い家", "静かな和室", "庭付の新築", "格安の部屋"]
    kinds = {"title": {"kind": "text"}}
    both = [market(name, attributes=kinds, title=titles) for name in "AB"]
    rows, photos = [np.arange(4)] * 2, [None] * 2
    found = fit_featurizer(both, FeatureConfig(), 8, rows, np.empty(0), photos, tmp_path)
    assert [view.name for view in found.texts] == ["tfidf"]


@pytest.mark.parametrize(
    "one, other, agree",
    [
        ("EUR", "EUR", True),
        ("EUR", "€", True),
        ("EUR", "USD", False),
        ("$", "$", False),
        ("EUR/month", "EUR", False),
    ],
)
def test_amounts_are_compared_where_the_unit_is_the_same(one, other, agree):
    assert same_unit("rent", [market("A", one), market("B", other)]) is agree


@pytest.mark.parametrize(
    "changed, sentence",
    [
        ({"rooms": ["one", "two", "two", "two"]}, "'rooms' is a category in .* but a number in"),
        ({"rooms": None, "rent": None, "district": None, "size": [1, 2, 3, 4]}, "shares no attribute"),
        (
            {"attributes": {"rent": {"kind": "number", "unit": "nights"}}},
            "is in nights in .* but in EUR",
        ),
        (
            {"attributes": {"rent": {"kind": "number", "unit": "USD"}}},
            'currency = "EUR", but .rent. is in USD',
        ),
    ],
)
def test_markets_that_contradict_each_other_are_refused_in_a_sentence(tmp_path, changed, sentence):
    with pytest.raises(VibesError, match=sentence):
        fitted([market("A"), market("B", **changed)], tmp_path)
