"""The vocabulary of attribute values: from values to ids, and from durations to buckets."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from helpers.tiny import random_photos
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.sequences import history_sequences, listing_sequences
from listing_vibes.features.texts.text_encoder import minilm_folder
from listing_vibes.features.tokens.tabular import (
    TYPE_ATTRIBUTE,
    TYPE_CONTENT,
    TYPE_META,
    key_count,
    piece_keys,
)
from listing_vibes.features.tokens.vocabulary import fit_vocabulary
from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.variants import word_pieces
from listing_vibes.variants.word_pieces import WordPieces, fair_cut, word_vectors

ATTRIBUTES = [
    Attribute("city", "category", "City"),
    Attribute("price", "number", "Price"),
    Attribute("balcony", "flag", "Balcony"),
    Attribute("amenities", "multi", "Amenities"),
    Attribute("title", "text", "Title"),
    Attribute("place", "place", "Location"),
]
N = 40
LISTINGS = pd.DataFrame(
    {
        "city": ["A", "B"] * (N // 2 - 1) + ["rare", None],
        "price": [*np.linspace(10, 400, N - 1), np.nan],
        "balcony": pd.array([True, False] * (N // 2 - 1) + [None, True], dtype="boolean"),
        "amenities": [["wifi", "pool"], ["wifi"]] * (N // 2 - 1) + [["sauna"], None],
        "title": ["Sunny flat", "Quiet flat"] * (N // 2 - 1) + ["Unique", None],
        "latitude": [*np.linspace(50, 51, N - 1), np.nan],
        "longitude": [*np.linspace(9, 10, N - 1), 9.5],
    }
)


@pytest.fixture(scope="module")
def vocabulary():
    return fit_vocabulary(LISTINGS, ATTRIBUTES, [], np.empty(0))


def test_ids_of_attributes_never_overlap(vocabulary):
    following = 1
    for entry in vocabulary.attributes:
        assert entry.first == following
        following += entry.size
    assert vocabulary.size == following


def tokens_of(entry, **columns):
    """The tokens of the cells of an attribute with one slot."""
    (tokens,) = type_of(entry.kind).tokenize(entry, pd.DataFrame(columns))
    return tokens


def test_unseen_categories_share_buckets_but_are_not_missing(vocabulary):
    city = vocabulary.attribute("city")
    tokens = tokens_of(city, city=["A", "never seen", "never seen", "other", None])
    ids = tokens.value
    assert tokens.listing.tolist() == [0, 1, 2, 3] and ids[0] == city.first + city.values.index("A")
    assert ids[1] == ids[2] >= city.first + len(city.values)
    assert city.first <= ids.min() and ids.max() < city.first + city.size


def test_a_number_is_restored_from_its_bin_and_fraction(vocabulary):
    price, values = vocabulary.attribute("price"), [10.0, 123.4, 400.0, np.nan, -5.0, 9999.0]
    tokens, edges = tokens_of(price, price=values), np.asarray(price.edges)
    restored = edges[tokens.bin] + tokens.fraction * (edges[tokens.bin + 1] - edges[tokens.bin])
    assert tokens.listing.tolist() == [0, 1, 2, 4, 5] and (tokens.value == price.first + tokens.bin).all()
    np.testing.assert_allclose(
        restored, [10, 123.4, 400, 10, 400], rtol=1e-5
    )  # clipped to the training range
    for cells, rows in (([5.0] * 10, [0, 1]), ([np.nan], [])):  # equal numbers, and none
        entry = fit_vocabulary(pd.DataFrame({"price": cells}), ATTRIBUTES[1:2], [], np.empty(0)).attributes[0]
        tokens = tokens_of(entry, price=[5.0, 6.0, np.nan])
        assert tokens.listing.tolist() == rows and not tokens.bin.any() and np.isfinite(tokens.fraction).all()


def test_sets_have_their_known_members(vocabulary):
    amenities, title = vocabulary.attribute("amenities"), vocabulary.attribute("title")
    wifi, pool = (amenities.first + amenities.values.index(name) for name in ("wifi", "pool"))
    cells = pd.DataFrame(
        {"amenities": [["pool", "wifi", "unknown"], None, []], "title": ["A sunny, QUIET flat!", None, ""]}
    )
    (tokens,) = type_of("multi").tokenize(amenities, cells)
    assert tokens.listing.tolist() == [0] and tokens.sets == [[pool, wifi]]
    (tokens,) = type_of("text").tokenize(title, cells)
    assert tokens.listing.tolist() == [0] and len(tokens.sets[0]) == 3 and tokens.key == 1


def test_near_locations_share_more_cells(vocabulary):
    place = vocabulary.attribute("place")
    tokens = tokens_of(place, latitude=[50.1, 50.1, 50.9, np.nan], longitude=[9.1, 9.101, 9.9, 9.0])
    cells = np.array(tokens.sets)
    assert (cells[0] == cells[1]).sum() > (cells[0] == cells[2]).sum() and tokens.listing.tolist() == [
        0,
        1,
        2,
    ]
    assert cells.min() >= place.first and cells.max() < place.first + place.size


WORD_ATTRIBUTES = [
    Attribute("title", "text", "Title"),
    Attribute("city", "category", ""),
    Attribute("price", "number", "Price per night"),
    Attribute("pets", "flag", "Pets allowed"),
    Attribute("extras", "multi", "Extras"),
    Attribute("place", "place", "Location"),
]
WORD_LISTINGS = pd.DataFrame(
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
    return WordPieces().fit(WORD_LISTINGS.iloc[list(rows)], WORD_ATTRIBUTES, ["view"], np.arange(5.0))


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
    tokens = WordPieces().tokenize(vocabulary, WORD_LISTINGS, [], {})
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)
    for row, pairs in enumerate(WORDS):
        expected = []
        for name, value in pairs:
            expected += [("name", piece) for piece in tokenizer.tokenize(name)]
            expected += [("value", piece) for piece in tokenizer.tokenize(value)]
        assert pieces_of(vocabulary, tokens, row) == expected


def test_pieces_that_training_never_saw_share_one_id():
    vocabulary = vocabulary_of(rows=(1,))
    tokens = WordPieces().tokenize(vocabulary, WORD_LISTINGS, [], {})
    assert ("value", "[UNK]") in pieces_of(vocabulary, tokens, 0)
    assert ("value", "[UNK]") not in pieces_of(vocabulary, tokens, 1)
    assert vocabulary.size == 1 + len(vocabulary.pieces) and vocabulary.total == vocabulary.size + 1 + 8
    assert tokens.value.max() < vocabulary.size and tokens.key.max() < key_count(vocabulary)


def test_an_attribute_and_a_listing_have_their_budgets(monkeypatch):
    monkeypatch.setattr(word_pieces, "ATTRIBUTE_TOKENS", 3)
    monkeypatch.setattr(word_pieces, "LISTING_TOKENS", 8)
    assert np.diff(WordPieces().tokenize(vocabulary_of(), WORD_LISTINGS, [], {}).offset).tolist() == [8, 5, 8]


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
    photos, log = random_photos(market, 20), EventLog.from_market(market)
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
