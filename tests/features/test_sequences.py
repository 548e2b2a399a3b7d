"""Token sequences of listings and histories against a slow twin."""

import numpy as np
import pandas as pd
import pytest

from helpers.tiny import random_photos
from listing_vibes.features.featurizer import FeatureConfig
from listing_vibes.features.sequences import Meta, history_sequences, listing_sequences
from listing_vibes.features.tokens.tabular import (
    ACTION,
    CLS,
    DURATION,
    PHOTO,
    TYPE_CLS,
    TYPE_CONTENT,
    TYPE_META,
    Tokenizer,
)
from listing_vibes.features.tokens.vocabulary import fit_vocabulary
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.run.engine import Engine
from listing_vibes.run.run import Run
from listing_vibes.training.train import train

ATTRIBUTES = [
    Attribute("city", "category", "City"),
    Attribute("price", "number", "Price"),
    Attribute("amenities", "multi", "Amenities"),
    Attribute("title", "text", "Title"),
]
BARE_CLS = (CLS, 0, 0, 0.0, -1, -1, ())


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
    vocabulary = fit_vocabulary(listings, ATTRIBUTES, ["view", "call"], np.arange(20.0))
    first, second = (np.flatnonzero(rng.random(n) < share) for share in (0.6, 0.3))
    photos = np.concatenate([first, second]), np.concatenate([first, second + n])
    text = {"title": np.where(listings["title"].isna(), -1, np.arange(n))}
    return vocabulary, Tokenizer().tokenize(vocabulary, listings, [photos], text)


def rows_of(tokens, start=0, end=None):
    """Each token as a tuple, of `ListingTokens` or of `Sequences`."""
    columns = (tokens.key, tokens.value, tokens.bin, tokens.fraction, tokens.photo, tokens.text)
    return [
        (
            *(column[t].item() for column in columns),
            tuple(tokens.set_member[tokens.set_offset[t] : tokens.set_offset[t + 1]].tolist()),
        )
        for t in range(start, len(tokens.key) if end is None else end)
    ]


def listing(tokens, row):
    return rows_of(tokens, tokens.offset[row], tokens.offset[row + 1])


def test_a_bare_listing_is_cls_and_its_tokens(market):
    _, tokens = market
    rows = np.array([4, 0, 4, 29])
    sequences = listing_sequences(tokens, rows)
    assert rows_of(sequences) == [token for row in rows for token in [BARE_CLS, *listing(tokens, row)]]
    assert sequences.length.tolist() == [1 + tokens.offset[r + 1] - tokens.offset[r] for r in rows]
    assert (sequences.item == 0).all()


@pytest.mark.parametrize("max_listings, max_tokens", [(50, 1000), (3, 1000), (50, 25), (50, 12)])
def test_a_history_is_newest_first_with_its_event_features(market, max_listings, max_tokens):
    vocabulary, tokens = market
    rng = np.random.default_rng(1)
    of_event = rng.integers(0, 30, 60).astype(np.int32)
    action = rng.integers(-1, 2, 60).astype(np.int16)
    duration = np.where(rng.random(60) < 0.4, np.nan, rng.random(60) * 25).astype(np.float32)
    meta = Meta.of(vocabulary, ["view", "call"], action, duration)
    start, end = np.array([0, 10, 10, 30, 5]), np.array([10, 11, 30, 60, 5])
    sequences = history_sequences(tokens, of_event, start, end, meta, max_listings, max_tokens)
    expected, items, lengths = [], [], []
    for first, last in zip(start, end, strict=True):
        sequence, places = [BARE_CLS], [0]
        for place, event in enumerate(range(last - 1, max(first, last - max_listings) - 1, -1), start=1):
            block = listing(tokens, of_event[event])
            if action[event] >= 0:
                block.append((ACTION, vocabulary.size + int(action[event]), 0, 0.0, -1, -1, ()))
            if not np.isnan(duration[event]):
                bucket = int(np.searchsorted(vocabulary.duration_edges, duration[event], side="right"))
                block.append((DURATION, vocabulary.size + 2 + bucket, 0, 0.0, -1, -1, ()))
            if len(sequence) + len(block) > max_tokens and place > 1:
                break
            sequence += block
            places += [place] * len(block)
        expected += sequence
        items += places
        lengths.append(len(sequence))
    assert rows_of(sequences) == expected
    assert sequences.item.tolist() == items and sequences.length.tolist() == lengths
    types = ((CLS, TYPE_CLS), (PHOTO, TYPE_CONTENT), (ACTION, TYPE_META), (DURATION, TYPE_META))
    assert all((sequences.type[sequences.key == key] == kind).all() for key, kind in types)
    assert (sequences.type[sequences.text >= 0] == TYPE_CONTENT).all()


def test_event_features_that_training_did_not_know_have_no_token(market):
    vocabulary, tokens = market
    none = np.full(3, np.nan, np.float32)
    meta = Meta.of(vocabulary, ["call", "new action"], np.array([0, 1, -1], np.int16), none)
    assert meta.action.tolist() == [vocabulary.size + 1, 0, 0]
    durations, unknown = np.array([3.0, np.nan], np.float32), np.array([-1, -1])
    for edges, first in (([], 0), ([2.0, 9.0], vocabulary.size + len(vocabulary.actions) + 1)):
        other = vocabulary.model_copy(update={"duration_edges": edges})
        assert Meta.of(other, [], unknown, durations).duration.tolist() == [first, 0]
    empty = history_sequences(tokens, np.zeros(0, np.int32), np.zeros(2, int), np.zeros(2, int), None, 50, 99)
    assert empty.length.tolist() == [1, 1] and empty.key.tolist() == [CLS, CLS]


VARIANTS = {
    "wordpiece": {"tokenisation": "wordpiece", "text": False},
    "tfidf": {"text_encoder": "tfidf", "photos": 1},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(VARIANTS))
def test_a_run_opens_as_it_was_trained(tiny_market, tmp_path, name):
    market = Market.open(tiny_market(listings=40, users=30, photos=1))
    settings = Resolved(
        encoder={"layers": 1, "width": 32, "heads": 2, "ffn": 64},
        features=FeatureConfig.model_validate(VARIANTS[name]),
        training=ResolvedTraining(batch=16, fresh=16, max_steps=3, warmup=1),
    )
    photos = random_photos(market, 40)
    train(market, tmp_path / "run", settings, photos)
    run = Run.open(tmp_path / "run")
    assert run.manifest.settings.features == settings.features
    engine = Engine.load(run.path, market, run.manifest.settings, photos)
    np.testing.assert_allclose(engine.encode_listings(), run.vectors("model"), atol=2e-3)
