"""What markets share, in which units; and summaries of training markets, with the distance of another market."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers.tiny import random_photos
from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_summary import PhotoSpread, Spread, load_summaries, save_summaries
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.features.several_markets import (
    BUCKETS,
    MarketRanks,
    common_attributes,
    rank_name,
    same_unit,
)
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of
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


def frame_of(kind: str, values: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(values, dtype=None if kind == "number" else object)})


@pytest.mark.parametrize(
    ("kind", "here", "there", "distance"),
    [
        ("category", ["a"] * 30 + ["b"] * 30, ["a"] * 60, 0.5),
        ("category", ["a"] * 60, ["c"] * 60, 1.0),
        ("category", ["a"] * 60, ["a"] * 30 + [None] * 30, 0.5),
        ("number", list(range(100)), [value + 50.0 for value in range(100)], 0.5),
        ("multi", [["a", "b"]] * 60, [["a"]] * 60, 0.5),
        ("flag", [True] * 40, [False] * 40, 1.0),
        ("text", ["old house"] * 40, ["old boat"] * 40, 0.5),
    ],
)
def test_the_distance_is_the_share_that_would_have_to_move(kind, here, there, distance):
    frame = frame_of(kind, here)
    seen = Spread.of("x", kind, frame, type_of(kind).fit(frame, "x", 10, 1))
    assert seen.distance(frame) == pytest.approx(0, abs=1e-5)
    assert seen.distance(frame_of(kind, there)) == pytest.approx(distance, abs=0.06)


def test_rare_values_and_those_that_the_model_does_not_know_are_not_stored(trained):
    frame = pd.DataFrame({"x": ["often"] * 90 + ["seller-7"] * 4 + ["unknown"] * 6})
    known = AttributeVocabulary(name="x", kind="category", values=["often", "seller-7"])
    found = Spread.of("x", "category", frame, known)
    assert found.entry.values == ["often"] and found.shares == [0.9]
    (seen,) = load_summaries(trained.path)
    name = next(one.name for one in trained.market.attributes if one.kind == "category")
    bare = seen.attributes[name].model_copy(update={"shares": []})  # no value was frequent
    assert not bare.has_values
    seen = seen.model_copy(update={"attributes": seen.attributes | {name: bare}})
    assert name not in seen.distances(trained.market)


def test_it_is_written_with_a_run_and_read_again(trained, tmp_path):
    (seen,) = load_summaries(trained.path)
    market, text = trained.market, (trained.path / "seen.json").read_text()
    assert seen.name == market.name and set(seen.attributes) == {one.name for one in market.attributes}
    assert max(seen.distances(market).values()) < 0.2  # trained on most of the listings
    assert len(text) < 20_000 and not any(listing in text for listing in trained.listing_ids)
    save_summaries(tmp_path, [seen, seen])
    assert load_summaries(tmp_path) == [seen, seen] and load_summaries(tmp_path / "nowhere") == []


def test_photos_are_as_far_as_their_vectors_moved():
    reducer = SimpleNamespace(transform=lambda vectors: vectors)
    featurizer = SimpleNamespace(photo_encoder="eye", photo=reducer)
    vectors, ok = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32), np.ones(400, bool)
    one = PhotoSpread.of(featurizer, PhotoVectors(vectors, ok, [], "eye"))
    two = PhotoSpread.of(featurizer, PhotoVectors(vectors + 1, ok, [], "eye"))
    assert one.distance(one) == 0 and one.distance(two) == pytest.approx(1, abs=0.1)
    assert PhotoSpread.of(featurizer, PhotoVectors(vectors, ok, [], "another")) is None
