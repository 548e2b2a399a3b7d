"""The token embedder's linear layers: one a view of photos and texts, and how they start."""

import numpy as np
import pytest
import torch

from core.features.featurizer import FeatureConfig, Featurizer
from core.features.photos.vectors import PhotoVectors, combine
from core.features.sequences import listing_sequences
from core.features.tokens.tabular import photo_key, text_key
from core.features.tokens.wordpiece import word_vectors
from core.market.market import Market
from core.model.embeddings import TokenBatch, TokenEmbedder

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


@pytest.mark.parametrize("start", ["identity", "random"])
def test_the_layers_of_photos_start_as_told(market, start):
    config = FeatureConfig(text=False, photo_start=start)
    photos = photos_of(market)
    featurizer = Featurizer.fit(market, config, WIDTH, np.arange(15), np.empty(0), photos)
    torch.manual_seed(0)
    embedder = TokenEmbedder(featurizer.vocabulary, WIDTH)
    for layer in (embedder.photo, embedder.more_photos[0]):
        assert torch.equal(layer.weight, torch.eye(WIDTH)) == (start == "identity")
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
