"""The packed path against the readable model: the same vectors, whatever the lengths, the window and the history."""

import logging

import numpy as np
import pytest
import torch

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.config import EncoderConfig
from listing_vibes.model.encoder import encode_histories, encode_listings
from listing_vibes.model.fast import choose
from listing_vibes.model.fast.model import FastLongformer, FastModel
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.longformer import Longformer
from listing_vibes.model.settings import Resolved
from listing_vibes.packed import attention, linear
from listing_vibes.packed.rows import Rows
from listing_vibes.run.engine import Engine, make_inputs

LENGTHS = [1, 2, 15, 16, 17, 70, 130, 300]


def loud(model: torch.nn.Module, by: float = 0.2) -> None:
    """Attention far from flat, biases and norms that do something."""
    with torch.no_grad():
        for weight in model.parameters():
            weight += by * torch.randn_like(weight)


def padded(tokens: torch.Tensor, length: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.arange(int(length.max())) < length[:, None]
    rows = torch.zeros(*mask.shape, tokens.shape[1])
    rows[mask] = tokens
    return rows, mask


@pytest.mark.parametrize("packs", [True, False], ids=["onednn", "plain torch"])
@pytest.mark.parametrize("window", [4, 16, 64, 512, (8, 64, 32)], ids=str)
def test_cls_rows_are_those_of_the_readable_model(window, packs, monkeypatch):
    if not packs:
        monkeypatch.setattr(linear, "onednn_packs", lambda: False)
    torch.manual_seed(0)
    config = EncoderConfig(layers=3, width=32, heads=2, ffn=64, window=window, max_tokens=320, max_items=6)
    model = Longformer(config).eval()
    loud(model)
    model.item_position.weight.data[0] = 0
    length = torch.tensor(LENGTHS)
    n = int(length.sum())
    tokens, kind, item = torch.randn(n, 32), torch.randint(0, 4, (n,)), torch.randint(0, 6, (n,))
    position = torch.randint(0, 320, (n,))
    with torch.no_grad():
        rows, mask = padded(tokens, length)
        more = {
            name: padded(values[:, None].float(), length)[0].squeeze(-1).long()
            for name, values in {"token_type": kind, "item_position": item, "positions": position}.items()
        }
        expected = model.encode(rows, mask, **more)
        for some in (
            slice(None),
            slice(0, 2),
            slice(-1, None),
        ):  # all lengths at once, short ones, a long one alone
            at = torch.repeat_interleave(torch.arange(len(length)), length)
            mine = torch.isin(at, torch.arange(len(length))[some])
            found = FastLongformer(model, torch.float32).encode(
                tokens[mine], length[some], position[mine], kind[mine], item[mine]
            )
            torch.testing.assert_close(found, expected[some], atol=2e-5, rtol=0)


def test_long_rows_go_by_bands_and_give_the_same(monkeypatch):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 2, 300, 8) for _ in range(3))
    hidden = Rows(torch.tensor([300, 211])).hidden()[..., :300]
    at = torch.arange(300)
    mask = attention.band(at, at, 20) + hidden
    whole = torch.softmax(q @ k.transpose(2, 3) + mask, -1) @ v
    torch.testing.assert_close(attention.attend(q, k, v, mask), whole, atol=1e-6, rtol=0)
    bands = attention.over_window(300, 20, hidden)
    assert isinstance(bands, attention.Bands)
    torch.testing.assert_close(bands(q, k, v), whole, atol=1e-5, rtol=0)


def test_rows_are_packed_padded_and_packed_again():
    rows = Rows(torch.tensor([3, 40, 1]))
    flat = torch.arange(44.0)[:, None] + 1
    filled = rows.fill(flat)
    assert filled.shape == (64, 1) and rows.size == 48
    there = rows.padded(filled)
    assert there[1, :40, 0].tolist() == list(range(4, 44)) and there[2, 0, 0] == 44
    assert rows.together(there[:, None]).shape == filled.shape
    torch.testing.assert_close(rows.together(there[:, None])[:44], flat)
    assert Rows(torch.tensor([32, 32])).whole and Rows(torch.tensor([32, 32])).hidden() is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])
@pytest.mark.parametrize("length", [[3, 40, 1], [32, 32], [11, 11]], ids=["filled up", "whole", "even"])
def test_heads_are_taken_apart_and_put_together_again(length, dtype):
    rows, heads = Rows(torch.tensor(length), dtype), 4
    assert rows.size == (max(length) if dtype is torch.float32 else {40: 48, 32: 32, 11: 16}[max(length)])
    flat = torch.randn(rows.filled, 3 * heads * 8).to(dtype)
    for parts in (3, 2):
        x = flat[:, : parts * heads * 8].contiguous()
        found = rows.apart(x, parts, heads)
        assert found.shape == (parts, rows.count, heads, rows.size, 8)
        expected = rows.padded(x).unflatten(-1, (parts, heads, 8)).permute(2, 0, 3, 1, 4)
        torch.testing.assert_close(found, expected, atol=0, rtol=0)
    tokens = sum(length)
    for laid in (found[1], found[1].contiguous()):
        together = rows.together(laid)
        assert together.shape == (rows.filled, heads * 8)
        torch.testing.assert_close(together[:tokens], x[:tokens, heads * 8 :], atol=0, rtol=0)


def test_too_long_a_row_is_refused():
    model = FastLongformer(
        Longformer(EncoderConfig(layers=1, width=8, heads=2, ffn=8, max_tokens=4)), torch.float32
    )
    five = torch.zeros(5, dtype=torch.long)
    with pytest.raises(VibesError, match="5 tokens is longer than the encoder's max_tokens 4"):
        model.encode(torch.zeros(5, 8), torch.tensor([5]), five, five)


@pytest.fixture(params=["cls", "listing-vectors", "two-stage"])
def engine(request, tiny_market):
    market = Market.open(tiny_market(listings=40, users=25, events_per_user=12))
    log = EventLog.from_market(market)
    two = request.param == "two-stage"
    settings = Resolved.model_validate(
        {
            "preset": "tiny",
            "history": "cls" if two else request.param,
            "training": {"recipe": "two-stage" if two else "single-stage"},
            "features": FeatureConfig(text=False),
        }
    )
    featurizer = Featurizer.fit(market, settings.features, 128, np.arange(40), log.duration, None)
    torch.manual_seed(0)
    model = ListingModel.of(featurizer.vocabulary, settings).eval()
    loud(model, 0.05)
    return Engine(model, featurizer, featurizer.transform(market, None), settings), log


@pytest.mark.slow
@pytest.mark.parametrize("path", ["float32", "bf16"])
def test_histories_and_listings_are_those_of_the_readable_model(engine, path):
    engine, log = engine
    fast = FastModel(engine.model, torch.float32 if path == "float32" else torch.bfloat16)
    inputs = make_inputs(engine.featurizer, engine.features, log, engine.settings)
    start = np.concatenate([log.start[:-1], log.start[:-1]])
    end = np.concatenate(
        [log.start[1:], log.start[:-1] + np.arange(len(log.start) - 1) % 7 + 1]
    )  # 1 to 12 events
    for encode, what in ((encode_listings, (np.arange(40),)), (encode_histories, (start, end))):
        expected = encode(engine.model, inputs, *what, 128)
        found = encode(fast, inputs, *what, 128)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        if path == "float32":
            np.testing.assert_allclose(found, expected, atol=2e-5)
        else:
            assert centred_cosine(found, expected).min() > 0.99


def centred_cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.slow
def test_the_machine_and_the_settings_choose_the_path(engine, monkeypatch, caplog):
    engine, _ = engine
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(choose, "half", lambda where: torch.bfloat16)
    assert choose.chosen("auto").name == "bf16" and not caplog.text
    monkeypatch.setattr(choose, "half", lambda where: None)  # switched off: a CPU that is no quicker by it
    monkeypatch.setattr(choose, "multiplies_bf16", lambda: True)
    assert choose.chosen("auto").name == "float32" == engine.path
    assert "does not multiply bfloat16 quicker" in caplog.text
    assert choose.chosen("bf16").name == "bf16"  # as workers on several kinds of machines must
    monkeypatch.setattr(choose, "multiplies_bf16", lambda: False)  # a CPU without the instructions
    assert choose.chosen("auto") == choose.chosen("bf16")
    expected = engine.exact().encode_listings()
    assert engine.exact().path == "plain"
    np.testing.assert_allclose(engine.encode_listings(), expected, atol=2e-5)
    monkeypatch.setattr(choose, "onednn_packs", lambda: False)
    assert choose.chosen("auto").name == "plain" and "without oneDNN" in caplog.text
