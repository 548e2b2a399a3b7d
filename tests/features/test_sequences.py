"""Token sequences against a slow, plain twin."""

import tracemalloc
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.sequences import Meta, history_sequences, listing_sequences
from listing_vibes.features.tokens.tabular import (
    ACTION,
    CLS,
    DURATION,
    PHOTO,
    TYPE_CLS,
    TYPE_CONTENT,
    TYPE_META,
    Tokens,
    tokenise,
)
from listing_vibes.features.tokens.vocabulary import fit_vocabulary
from listing_vibes.market.market import Attribute

ATTRIBUTES = [
    Attribute("city", "category", "City"),
    Attribute("price", "number", "Price"),
    Attribute("amenities", "multi", "Amenities"),
    Attribute("title", "text", "Title"),
]


@pytest.fixture
def market():
    rng = np.random.default_rng(0)
    n = 30
    listings = pd.DataFrame(
        {
            "city": rng.choice(["A", "B", None], n),
            "price": np.where(rng.random(n) < 0.3, np.nan, rng.random(n) * 100),
            "amenities": [
                list(rng.choice(["x", "y", "z"], rng.integers(0, 3), replace=False)) for _ in range(n)
            ],
            "title": rng.choice(["big flat", "small flat", None], n),
        }
    )
    vocabulary = fit_vocabulary(listings, ATTRIBUTES, np.arange(n), ["view", "call"], np.arange(20.0))
    photos = [
        np.where(rng.random(n) < 0.6, np.arange(n), -1),
        np.where(rng.random(n) < 0.3, np.arange(n) + n, -1),
    ]
    text = {"title": np.where(listings["title"].isna(), -1, np.arange(n))}
    return vocabulary, tokenise(vocabulary, listings, [photos], [text])


def one_listing(tokens, row):
    return [
        (
            int(tokens.key[t]),
            int(tokens.value[t]),
            int(tokens.bin[t]),
            float(tokens.fraction[t]),
            int(tokens.photo[t]),
            int(tokens.text[t]),
            tuple(tokens.set_member[tokens.set_offset[t] : tokens.set_offset[t + 1]].tolist()),
        )
        for t in range(tokens.offset[row], tokens.offset[row + 1])
    ]


def flat(sequences):
    return [
        (
            int(sequences.key[t]),
            int(sequences.value[t]),
            int(sequences.bin[t]),
            float(sequences.fraction[t]),
            int(sequences.photo[t]),
            int(sequences.text[t]),
            tuple(sequences.set_member[sequences.set_offset[t] : sequences.set_offset[t + 1]].tolist()),
        )
        for t in range(len(sequences.key))
    ]


BARE_CLS = (CLS, 0, 0, 0.0, -1, -1, ())


def test_a_bare_listing_is_cls_and_its_tokens(market):
    _, tokens = market
    rows = np.array([4, 0, 4, 29])
    sequences = listing_sequences(tokens, rows)
    expected = [token for row in rows for token in [BARE_CLS, *one_listing(tokens, row)]]
    assert flat(sequences) == expected
    assert sequences.length.tolist() == [1 + tokens.offset[r + 1] - tokens.offset[r] for r in rows]
    assert (sequences.item == 0).all()


def test_a_few_sequences_of_a_large_catalogue_touch_nothing_else(market):
    """What a batch costs does not grow with the catalogue: no array as long as that is made."""
    _, small = market
    times = 2_000
    begin = np.arange(times)[:, None]
    offsets = {
        name: np.append((begin * every[-1] + every[:-1]).ravel(), times * every[-1])
        for name, every in (("offset", small.offset), ("set_offset", small.set_offset))
    }
    rest = {f.name: np.tile(getattr(small, f.name), times) for f in fields(small) if f.name not in offsets}
    large = Tokens(**offsets, **rest)
    listing, start, end = np.arange(30, dtype=np.int32), np.array([0, 10]), np.array([10, 30])
    tracemalloc.start()
    try:
        bare = listing_sequences(large, np.array([4, 60_000 - 1]))
        told = history_sequences(large, listing, start, end, None, 50, 1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert flat(bare) == flat(listing_sequences(small, np.array([4, 29])))
    assert flat(told) == flat(history_sequences(small, listing, start, end, None, 50, 1000))
    assert large.listings == 60_000 and peak < 200_000


@pytest.mark.parametrize("max_listings, max_tokens", [(50, 1000), (3, 1000), (50, 25), (50, 12)])
def test_a_history_is_told_newest_first_with_its_meta(market, max_listings, max_tokens):
    vocabulary, tokens = market
    rng = np.random.default_rng(1)
    listing = rng.integers(0, 30, 60).astype(np.int32)
    action = rng.integers(-1, 2, 60).astype(np.int16)
    duration = np.where(rng.random(60) < 0.4, np.nan, rng.random(60) * 25).astype(np.float32)
    meta = Meta.of(vocabulary, ["view", "call"], action, duration)
    start, end = np.array([0, 10, 10, 30, 5]), np.array([10, 11, 30, 60, 5])
    sequences = history_sequences(tokens, listing, start, end, meta, max_listings, max_tokens)

    expected, items, lengths = [], [], []
    for first, last in zip(start, end, strict=True):
        whole, places = [BARE_CLS], [0]
        for place, event in enumerate(range(last - 1, max(first, last - max_listings) - 1, -1), start=1):
            told = one_listing(tokens, listing[event])
            if action[event] >= 0:
                told.append((ACTION, vocabulary.size + int(action[event]), 0, 0.0, -1, -1, ()))
            if not np.isnan(duration[event]):
                bucket = int(np.searchsorted(vocabulary.duration_edges, duration[event], side="right"))
                told.append((DURATION, vocabulary.size + 2 + bucket, 0, 0.0, -1, -1, ()))
            if len(whole) + len(told) > max_tokens and place > 1:
                break
            whole += told
            places += [place] * len(told)
        expected += whole
        items += places
        lengths.append(len(whole))
    assert flat(sequences) == expected
    assert sequences.item.tolist() == items
    assert sequences.length.tolist() == lengths


def test_token_types_tell_attributes_content_and_meta_apart(market):
    vocabulary, tokens = market
    meta = Meta.of(vocabulary, ["view"], np.zeros(30, np.int16), np.full(30, np.nan, np.float32))
    sequences = history_sequences(
        tokens, np.arange(30, dtype=np.int32), np.array([0]), np.array([30]), meta, 50, 1000
    )
    assert (sequences.type[sequences.key == CLS] == TYPE_CLS).all()
    assert (sequences.type[sequences.key == PHOTO] == TYPE_CONTENT).all()
    assert (sequences.type[sequences.text >= 0] == TYPE_CONTENT).all()
    assert (sequences.type[sequences.key == ACTION] == TYPE_META).all()
    assert (sequences.key == ACTION).sum() == 30 and (sequences.key == DURATION).sum() == 0


def test_an_action_the_model_never_saw_has_no_token(market):
    vocabulary, _ = market
    meta = Meta.of(
        vocabulary, ["call", "new action"], np.array([0, 1, -1], np.int16), np.full(3, np.nan, np.float32)
    )
    assert meta.action.tolist() == [vocabulary.size + 1, 0, 0]


def test_where_training_knew_no_durations_later_ones_have_no_token(market):
    vocabulary, _ = market
    durations = np.array([3.0, np.nan], np.float32)
    none = vocabulary.model_copy(update={"duration_edges": []})
    assert Meta.of(none, [], np.array([-1, -1]), durations).duration.tolist() == [0, 0]
    some = vocabulary.model_copy(update={"duration_edges": [2.0, 9.0]})
    first = some.size + len(some.actions)
    assert Meta.of(some, [], np.array([-1, -1]), durations).duration.tolist() == [first + 1, 0]


def test_no_history_at_all(market):
    _, tokens = market
    sequences = history_sequences(
        tokens, np.zeros(0, np.int32), np.zeros(2, int), np.zeros(2, int), None, 50, 100
    )
    assert sequences.length.tolist() == [1, 1] and sequences.key.tolist() == [CLS, CLS]
