"""A listing in word pieces: names and values with their own keys, truncated attribute by attribute."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.features.sequences import history_sequences, listing_sequences
from listing_vibes.features.texts.encoder import minilm_folder
from listing_vibes.features.tokens import wordpiece
from listing_vibes.features.tokens.tabular import (
    TYPE_ATTRIBUTE,
    TYPE_CONTENT,
    TYPE_META,
    key_count,
    piece_keys,
)
from listing_vibes.features.tokens.wordpiece import fair_cut, fit_pieces, tokenise_pieces, word_vectors
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market

ATTRIBUTES = [
    Attribute("title", "text", "Title"),
    Attribute("city", "category", ""),
    Attribute("price", "number", "Price per night"),
    Attribute("pets", "flag", "Pets allowed"),
    Attribute("extras", "multi", "Extras"),
    Attribute("place", "place", "Location"),
]
LISTINGS = pd.DataFrame(
    {
        "title": ["Quiet houseboat by the river", None, "Loft"],
        "city": ["Paris", "London", None],
        "price": [120.0, np.nan, 99.5],
        "pets": pd.array([True, False, None], "boolean"),
        "extras": [["wifi", "sauna"], None, []],
        "latitude": [51.05, np.nan, 51.2],
        "longitude": [3.72, 3.2, 3.22],
    }
)
TITLE, PRICE, PETS = "Title", "Price per night", "Pets allowed"
WORDS = [
    [
        (TITLE, "Quiet houseboat by the river"),
        ("city", "Paris"),
        (PRICE, "120"),
        (PETS, "yes"),
        ("Extras", "wifi, sauna"),
        ("Location", "51.05 3.72"),
    ],
    [("city", "London"), (PETS, "no")],
    [(TITLE, "Loft"), (PRICE, "99.5"), ("Location", "51.20 3.22")],
]


def vocabulary_of(rows=(0, 1, 2)):
    return fit_pieces(LISTINGS.iloc[list(rows)], ATTRIBUTES, ["view"], np.arange(5.0))


def pieces_of(vocabulary, tokens, row):
    """(name or value, piece) of each token of a listing."""
    name, value = piece_keys(vocabulary)
    kind = {name: "name", value: "value"}
    return [
        (kind[int(tokens.key[t])], vocabulary.pieces[tokens.value[t] - 1])
        for t in range(tokens.offset[row], tokens.offset[row + 1])
    ]


def test_each_known_attribute_is_its_name_and_its_value():
    vocabulary = vocabulary_of()
    tokens = tokenise_pieces(vocabulary, LISTINGS, [], {})
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)
    for row, pairs in enumerate(WORDS):
        expected = []
        for name, value in pairs:
            expected += [("name", piece) for piece in tokenizer.tokenize(name)]
            expected += [("value", piece) for piece in tokenizer.tokenize(value)]
        assert pieces_of(vocabulary, tokens, row) == expected


def test_pieces_that_training_never_saw_share_one_id():
    vocabulary = vocabulary_of(rows=(1,))
    tokens = tokenise_pieces(vocabulary, LISTINGS, [], {})
    assert ("value", "[UNK]") in pieces_of(vocabulary, tokens, 0)
    assert ("value", "[UNK]") not in pieces_of(vocabulary, tokens, 1)
    assert vocabulary.size == 1 + len(vocabulary.pieces) and vocabulary.total == vocabulary.size + 1 + 8
    assert tokens.value.max() < vocabulary.size and tokens.key.max() < key_count(vocabulary)


def test_an_attribute_and_a_listing_have_their_budgets(monkeypatch):
    monkeypatch.setattr(wordpiece, "ATTRIBUTE_TOKENS", 3)
    monkeypatch.setattr(wordpiece, "LISTING_TOKENS", 8)
    assert np.diff(tokenise_pieces(vocabulary_of(), LISTINGS, [], {}).offset).tolist() == [8, 5, 8]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 60))
def test_the_longest_attributes_are_truncated_first(lengths, budget):
    slow = list(lengths)
    while sum(slow) > budget:  # one token at a time from the longest, the last of equals
        longest = max(range(len(slow)), key=lambda a: (slow[a], a))
        slow[longest] -= 1
    assert fair_cut(np.array([lengths]), budget)[0].tolist() == slow


def test_initial_vectors_are_those_of_minilm():
    vocabulary = vocabulary_of()
    vectors = word_vectors(vocabulary, 8)
    assert vectors.shape == (len(vocabulary.pieces), 8) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1).mean() == pytest.approx(1, abs=0.01)
    wide = word_vectors(vocabulary, len(vocabulary.pieces) - 1)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    near = {piece: wide[number] for number, piece in enumerate(vocabulary.pieces)}
    assert near["paris"] @ near["london"] > near["paris"] @ near["quiet"]


def test_histories_have_event_features_photos_and_texts_and_are_loaded(tiny_market, tmp_path):
    market = Market.open(tiny_market(listings=12, photos=2))
    vectors = np.random.default_rng(0).normal(size=(24, 20)).astype(np.float16)
    photos, log = PhotoVectors(vectors, np.ones(24, bool), [], "eye"), EventLog.from_market(market)
    config = FeatureConfig(tokenisation="wordpiece")
    featurizer = Featurizer.fit(market, config, 16, np.arange(12), log.duration, photos)
    tokens = featurizer.transform(market, photos).tokens
    bare = listing_sequences(tokens, np.array([3]))
    assert ((bare.type == TYPE_CONTENT) == ((bare.photo >= 0) | (bare.text >= 0))).all()
    assert (bare.photo >= 0).sum() == 2 and (bare.text >= 0).sum() == 1
    words = np.isin(bare.key, piece_keys(featurizer.vocabulary))
    assert (bare.type[words] == TYPE_ATTRIBUTE).all() and words.sum() == bare.length[0] - 4
    meta = featurizer.meta(log)
    history = history_sequences(tokens, log.listing, log.start[:1], log.start[1:2], meta, 50, 4096)
    assert (history.type == TYPE_META).sum() > 0 and history.item.max() == log.start[1] - log.start[0]
    assert history.value.max() < featurizer.vocabulary.total
    featurizer.save(tmp_path)
    again = Featurizer.load(tmp_path).transform(market, photos).tokens
    assert np.array_equal(again.value, tokens.value) and np.array_equal(again.key, tokens.key)
