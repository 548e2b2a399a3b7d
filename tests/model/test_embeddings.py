"""The token embedder: what a token's vector is the sum of, its linear layers (one a view of photos and texts), and how they start."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors, combine
from listing_vibes.features.sequences import listing_sequences
from listing_vibes.features.tokens.tabular import bin_offsets, photo_key, text_key
from listing_vibes.features.tokens.wordpiece import word_vectors
from listing_vibes.market.market import Market
from listing_vibes.model.embeddings import TokenBatch, TokenEmbedder

WIDTH = 16


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market(listings=15, photos=2))


def photos_of(market: Market) -> PhotoVectors:
    parts = [
        PhotoVectors(
            np.random.default_rng(seed).normal(size=(len(market.photos), 20)).astype(np.float16),
            np.ones(len(market.photos), bool),
            [],
            name,
        )
        for seed, name in enumerate("ab")
    ]
    return combine(parts)


@pytest.mark.slow
def test_each_view_passes_its_own_layer(market):
    photos = photos_of(market)
    config = FeatureConfig(text_views=("minilm-whitened", "tfidf"), words=False)
    featurizer = Featurizer.fit(market, config, WIDTH, np.arange(15), np.empty(0), photos)
    features = featurizer.transform(market, photos)
    vocabulary = featurizer.vocabulary
    embedder = TokenEmbedder(vocabulary, WIDTH)
    for layer in (embedder.photo, embedder.text, *embedder.more_photos, *embedder.more_texts):
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.normal_(layer.bias)
    batch = TokenBatch(listing_sequences(features.tokens, np.arange(15)))
    photo, text = torch.from_numpy(features.photo), torch.from_numpy(features.text)
    found = embedder(batch, photo, text)
    expected = {
        photo_key(vocabulary, 0): (embedder.photo, photo, batch.photo),
        photo_key(vocabulary, 1): (embedder.more_photos[0], photo, batch.photo),
        text_key(vocabulary, "title", 0): (embedder.text, text, batch.text),
        text_key(vocabulary, "title", 1): (embedder.more_texts[0], text, batch.text),
    }
    seen = set()
    for token in range(len(batch.key)):
        key = int(batch.key[token])
        if key in expected:
            layer, table, row = expected[key]
            torch.testing.assert_close(
                found[token], embedder.key.weight[key] + layer(table[row[token]]), atol=1e-5, rtol=1e-4
            )
            seen.add(key)
    assert seen == set(expected)


def test_the_layers_of_photos_start_as_the_identity(market):
    config = FeatureConfig(text=False)
    photos = photos_of(market)
    featurizer = Featurizer.fit(market, config, WIDTH, np.arange(15), np.empty(0), photos)
    torch.manual_seed(0)
    embedder = TokenEmbedder(featurizer.vocabulary, WIDTH)
    for layer in (embedder.photo, embedder.more_photos[0]):
        assert torch.equal(layer.weight, torch.eye(WIDTH))
        assert not layer.bias.any()
    assert torch.equal(embedder.text.weight, torch.eye(WIDTH))


def test_word_pieces_start_where_they_are_told_to(market):
    config = FeatureConfig(tokenisation="wordpiece", text=False)
    vocabulary = Featurizer.fit(market, config, WIDTH, np.arange(15), np.empty(0), None).vocabulary
    embedder = TokenEmbedder(vocabulary, WIDTH)
    before = embedder.value.weight.detach().clone()
    vectors = word_vectors(vocabulary, WIDTH)
    embedder.start_words(vectors)
    np.testing.assert_allclose(embedder.value.weight[1 : 1 + len(vectors)].detach(), vectors)
    assert torch.equal(embedder.value.weight[1 + len(vectors) :], before[1 + len(vectors) :])


def test_a_token_is_the_sum_that_the_paper_says(tiny_market):
    """Token by token: key, value, all of the bins below and a part of its own (Gorishniy et al. 2022, eq. 1), mean of a set."""
    path, rows = tiny_market(listings=15), np.arange(15)
    listings = pd.read_parquet(path / "listings.parquet")
    listings.assign(area=listings["price"][::-1].to_numpy() / 3).to_parquet(path / "listings.parquet")
    market = Market.open(path)
    featurizer = Featurizer.fit(market, FeatureConfig(text=False), WIDTH, rows, np.empty(0), None)
    features, vocabulary = featurizer.transform(market, None), featurizer.vocabulary
    torch.manual_seed(0)
    embedder = TokenEmbedder(vocabulary, WIDTH)
    sequences = listing_sequences(features.tokens, rows)
    hidden = np.arange(len(sequences.bin)) % 7 == 0  # as pre-training hides a number
    sequences = replace(sequences, bin=np.where(hidden, 0, sequences.bin))
    found = embedder(TokenBatch(sequences), torch.zeros(0, WIDTH), torch.zeros(0, WIDTH)).detach().numpy()
    key, value, slope = (
        w.detach().numpy() for w in (embedder.key.weight, embedder.value.weight, embedder.slope)
    )
    offsets = bin_offsets(vocabulary)
    seen = set()
    for token in range(len(sequences.key)):
        expected = key[sequences.key[token]].copy()
        if sequences.value[token]:
            expected += value[sequences.value[token]]
            seen.add("value")
        if own := sequences.bin[token]:
            first = max(offset for offset in offsets.values() if offset <= own)
            expected += slope[first:own].sum(axis=0) + sequences.fraction[token] * slope[own]
            seen |= {"first bin"} if own == first else {"later bin"}
            seen |= {"second number"} if first > min(offsets.values()) else set()
        members = sequences.set_member[sequences.set_offset[token] : sequences.set_offset[token + 1]]
        if len(members):
            expected += value[members].mean(axis=0)
            seen |= {"set"} if len(members) > 1 else set()
        seen |= {"hidden number"} if sequences.fraction[token] and not sequences.bin[token] else set()
        np.testing.assert_allclose(found[token], expected, atol=1e-5)
    assert seen == {"value", "first bin", "later bin", "second number", "set", "hidden number"}
