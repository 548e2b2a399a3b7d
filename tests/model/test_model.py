"""The model alone: tokens, attention against a per-token twin, the window, causality, dropout."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from helpers.tiny import random_photos
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.sequences import listing_sequences
from listing_vibes.features.tokens.tabular import attribute_keys, bin_offsets, photo_key
from listing_vibes.market.market import Market
from listing_vibes.model.attention import Attention, CLSAttention, Dropout, attend
from listing_vibes.model.encoder_config import EncoderConfig
from listing_vibes.model.inputs import TokenBatch
from listing_vibes.model.model import ListingEncoder, TokenEmbedder
from listing_vibes.variants.sliding_window import SlidingWindowEncoder

SHAPE = {"layers": 3, "width": 32, "heads": 2, "ffn": 64, "window": 8, "max_tokens": 512, "max_items": 6}
WIDTH = 16


def encoder(kind=ListingEncoder, seed: int = 0, **change) -> ListingEncoder:
    """A small encoder in evaluation mode whose attention is far from flat."""
    torch.manual_seed(seed)
    made = kind(EncoderConfig(**(SHAPE | change))).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.2 * torch.randn_like(weight)
        made.item_position.weight[0] = 0
    return made


def batch(length: int) -> list[torch.Tensor]:
    """Tokens, mask, positions, types and items of four rows of different lengths, the last with no real token at all."""
    random = torch.Generator().manual_seed(length)
    lengths = torch.tensor([length, max(1, length // 2), max(1, length - 3), 0])
    return [
        torch.randn(4, length, SHAPE["width"], generator=random),
        torch.arange(length) < lengths[:, None],
        torch.randint(0, SHAPE["max_tokens"], (4, length), generator=random),
        torch.randint(0, 4, (4, length), generator=random),
        torch.randint(0, SHAPE["max_items"], (4, length), generator=random),
    ]


def plain(tokens: torch.Tensor, real: int | None = None) -> list[torch.Tensor]:
    """One row without positions, types and items; `real` tokens of it are no padding."""
    zero = torch.zeros(tokens.shape[:2], dtype=torch.long)
    return [tokens, (torch.arange(tokens.shape[1]) < (real or tokens.shape[1]))[None], zero, zero, zero]


def twin_attention(q, k, v, keys: list[int]) -> list[float]:
    """One query q (dh,) over keys k, v (S, dh) at the places `keys`, in plain Python numbers."""
    scores = [sum(a * b for a, b in zip(q, k[j], strict=True)) / math.sqrt(len(q)) for j in keys]
    weights = [math.exp(score - max(scores)) for score in scores]
    values = [v[j] for j in keys]
    return [
        sum(w * value[d] for w, value in zip(weights, values, strict=True)) / sum(weights)
        for d in range(len(q))
    ]


@pytest.mark.parametrize(("length", "window"), [(11, 4), (8, 8), (13, 2), (1, 4)])
def test_attention_equals_a_per_token_twin(length, window):
    torch.manual_seed(length)
    attention, made = Attention(EncoderConfig(**SHAPE)).eval(), ListingEncoder(EncoderConfig(**SHAPE))
    x, real = torch.randn(4, length, SHAPE["width"]), batch(length)[1]
    visible = made.window_mask(real, window)
    with torch.no_grad():
        found = attention.gather(attention.split(attention.query(x)), x, visible)  # (B, S, d)
        q, k, v = (
            attention.split(part(x)).tolist() for part in (attention.query, attention.key, attention.value)
        )
    for b in range(4):
        for i in range(length):
            near = [j for j in range(length) if (abs(i - j) <= window // 2 or j == 0) and real[b, j]]
            keys = sorted({*near, i})
            expected = [n for h in range(2) for n in twin_attention(q[b][h][i], k[b][h], v[b][h], keys)]
            assert found[b, i].tolist() == pytest.approx(expected, abs=1e-5), (b, i)


def test_cls_equals_a_per_token_twin_that_makes_every_key_and_value():
    config = EncoderConfig(**SHAPE)
    torch.manual_seed(1)
    module = CLSAttention(config).eval()
    length, dh = 9, config.width // config.heads
    x, real = torch.randn(4, length, config.width), batch(length)[1]
    real[3, 0] = True
    with torch.no_grad():
        visible = ListingEncoder(config).window_mask(real, 8)
        whole, found = module.with_cls(x, visible, real)[:, 0], module.cls_only(x, real)[:, 0]  # (B, d)
        assert torch.allclose(whole, found, atol=1e-6)
        q, k, v = module.query_global(x), module.key_global(x), module.value_global(x)
        for b in range(4):
            keys = [j for j in range(length) if real[b, j]]
            heads = [slice(h * dh, h * dh + dh) for h in range(config.heads)]
            gathered = [
                n
                for h in heads
                for n in twin_attention(q[b, 0, h].tolist(), k[b, :, h].tolist(), v[b, :, h].tolist(), keys)
            ]
            assert torch.allclose(found[b], module.out(torch.tensor(gathered)), atol=1e-5)


@pytest.mark.parametrize("length", [1, 100, 145, 151, 203])
def test_long_rows_in_blocks_give_the_same_output_and_gradient(length):
    """Rows above 2 x 8 + 128 tokens go in blocks."""
    inputs = batch(length)
    target = torch.randn(4, length, SHAPE["width"], generator=torch.Generator().manual_seed(5))
    outputs, gradients = [], []
    for kind in (ListingEncoder, SlidingWindowEncoder):
        made, tokens = encoder(kind), inputs[0].clone().requires_grad_()
        out = made(tokens, *inputs[1:])
        assert out.isfinite().all()  # padding and the empty row included
        (out * target)[inputs[1]].sum().backward()
        outputs.append(out[inputs[1]].detach())
        weights = {name: weight.grad for name, weight in made.named_parameters() if weight.requires_grad}
        gradients.append({"tokens": tokens.grad} | weights)
    assert torch.allclose(outputs[0], outputs[1], atol=1e-5)
    for name, gradient in gradients[0].items():
        assert gradient is not None and gradient.isfinite().all(), name
        assert torch.allclose(gradient, gradients[1][name], atol=1e-4, rtol=1e-3), name


@pytest.mark.parametrize("kind", [ListingEncoder, SlidingWindowEncoder])
def test_padding_and_the_rows_beside_it_change_nothing(kind):
    made, inputs = encoder(kind), batch(170)
    with torch.no_grad():
        vectors = made.encode(*inputs)
        np.testing.assert_allclose(vectors.norm(dim=1), 1, atol=1e-6)
        noise = torch.where(inputs[1][..., None], inputs[0], 50.0)
        assert torch.equal(made.encode(noise, *inputs[1:])[:3], vectors[:3])
        for b, size in enumerate(inputs[1].sum(1).tolist()[:3]):
            alone = made.encode(*(part[b : b + 1, :size] for part in inputs))
            assert torch.allclose(alone[0], vectors[b], atol=1e-5)


def test_bfloat16_goes_by_two_products_and_stays_close_in_training(monkeypatch):
    made, inputs = encoder(dropout=0.0), batch(30)
    expected = made.encode(*inputs)[:3]
    with torch.autocast("cpu", torch.bfloat16):
        found = made.train().encode(*inputs)[:3]
    assert (expected * found).sum(1).min() > 0.9
    q = torch.randn(2, 2, 5, 8, dtype=torch.bfloat16)
    visible = torch.ones(2, 1, 5, 5, dtype=torch.bool).tril()
    exact = attend(q.float(), q.float(), q.float(), visible, 0.0, 0.3)
    assert torch.allclose(attend(q, q, q, visible, 0.0, 0.3).float(), exact, atol=0.03)


def test_dropout_takes_its_share_in_training_alone():
    torch.manual_seed(0)
    x, layer = torch.ones(101, 33, 7), Dropout(0.3)
    found = layer(x)
    assert (found == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert torch.allclose(found[found > 0], torch.tensor(1 / 0.7)) and not torch.equal(found, layer(x))
    assert torch.equal(layer.eval()(x), x) and torch.equal(Dropout(0.0)(x), x)


def test_what_does_not_fit_is_named():
    with pytest.raises(VibesError, match="513 tokens"):
        encoder()(*plain(torch.zeros(1, 513, SHAPE["width"])))
    for change in ({"heads": 5}, {"window": (8, 8)}, {"window": 7}):
        with pytest.raises(ValidationError):
            EncoderConfig(**(SHAPE | change))


@pytest.fixture
def market(tiny_market) -> Market:
    path = tiny_market(listings=15, photos=2)
    listings = pd.read_parquet(path / "listings.parquet")
    listings.assign(area=listings["price"][::-1].to_numpy() / 3).to_parquet(path / "listings.parquet")
    return Market.open(path)


@pytest.mark.slow
def test_photos_texts_and_precomputed_vectors_pass_layers_that_start_as_the_identity(market):
    rng = np.random.default_rng(0)
    np.save(market.path / "clip.npy", rng.normal(size=(15, 20)).astype(np.float32))
    with (market.path / "market.toml").open("a") as stream:
        stream.write('\n[vectors.clip]\npath = "clip.npy"\ntokens = true\n')
    market = Market.open(market.path)
    photos = random_photos(market, 20)
    config = FeatureConfig(text_encoder="tfidf", words=False)
    featurizer = Featurizer.fit(market, config, WIDTH, np.arange(15), np.empty(0), photos)
    features, vocabulary = featurizer.transform(market, photos), featurizer.vocabulary
    embedder = TokenEmbedder(vocabulary, WIDTH)
    for layer in (*embedder.photo_layers, embedder.text):
        assert torch.equal(layer.weight, torch.eye(WIDTH)) and not layer.bias.any()
        torch.nn.init.normal_(layer.weight)
    tokens = TokenBatch(listing_sequences(features.tokens, np.arange(15)))
    photo, text = torch.from_numpy(features.photo), torch.from_numpy(features.text)
    found = embedder(tokens, photo, text)
    expected = {
        photo_key(vocabulary, 0): (embedder.photo, photo, tokens.photo),
        photo_key(vocabulary, 1): (embedder.more_photos[0], photo, tokens.photo),
        attribute_keys(vocabulary)["title"]: (embedder.text, text, tokens.text),
    }
    seen = set()
    for token, key in enumerate(tokens.key.tolist()):
        if key in expected:
            layer, table, row = expected[key]
            sum_ = embedder.key.weight[key] + layer(table[row[token]])
            torch.testing.assert_close(found[token], sum_, atol=1e-5, rtol=1e-4)
            seen.add(key)
    assert seen == set(expected)


def test_a_token_is_the_sum_that_the_paper_says(market):
    """Token by token: key, value, all of the bins below and a part of its own (Gorishniy et al. 2022, eq. 1), mean of a set."""
    rows = np.arange(15)
    featurizer = Featurizer.fit(market, FeatureConfig(text=False), WIDTH, rows, np.empty(0), None)
    features, vocabulary = featurizer.transform(market, None), featurizer.vocabulary
    torch.manual_seed(0)
    embedder = TokenEmbedder(vocabulary, WIDTH)
    sequences = listing_sequences(features.tokens, rows)
    hidden = np.arange(len(sequences.bin)) % 7 == 0  # as pre-training hides a number
    sequences = replace(sequences, bin=np.where(hidden, 0, sequences.bin))
    found = embedder(TokenBatch(sequences), torch.zeros(0, WIDTH), torch.zeros(0, WIDTH)).detach().numpy()
    weights = (embedder.key.weight, embedder.value.weight, embedder.slope)
    key, value, slope = (weight.detach().numpy() for weight in weights)
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
        np.testing.assert_allclose(found[token], expected, atol=1e-5)
    assert seen == {"value", "first bin", "later bin", "second number", "set"}
