"""Sequences that are too many to keep for the gradient go in parts, and give what they give together."""

import numpy as np
import pytest
import torch

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.settings import Resolved
from listing_vibes.run.engine import make_inputs
from listing_vibes.training import towers as towers_module
from listing_vibes.training.batches import Batch
from listing_vibes.training.towers import Towers


@pytest.fixture
def history() -> str:
    return "cls"


@pytest.fixture
def towers(tiny_market, history) -> Towers:
    market = Market.open(tiny_market(listings=30, users=12, events_per_user=9))
    log = EventLog.from_market(market)
    settings = Resolved(history=history, preset="tiny", features=FeatureConfig(text=False))
    featurizer = Featurizer.fit(market, settings.features, 32, np.arange(30), log.duration, None)
    inputs = make_inputs(featurizer, featurizer.transform(market, None), log, settings)
    torch.manual_seed(0)
    model = ListingModel.of(featurizer.vocabulary, settings).train()  # so that dropout falls
    none = torch.zeros((0, model.longformer.config.width))
    return Towers(model, inputs, (none, none), (3, 4))


@pytest.mark.parametrize("kept, parts", [(50, 12), (400, 3)])
def test_parts_give_the_vectors_and_the_gradient_of_all_together(towers, monkeypatch, kept, parts):
    first = np.arange(12) * 9
    batch = Batch(np.arange(12), first, first + np.arange(12) % 9 + 1, np.arange(12))
    calls = []
    monkeypatch.setattr(
        towers_module, "checkpoint", lambda *a, **k: calls.append(a) or torch_checkpoint(*a, **k)
    )
    torch_checkpoint = torch.utils.checkpoint.checkpoint
    found = {}
    for tokens in (10**9, kept):
        monkeypatch.setattr(towers_module, "TOKENS_KEPT", tokens)
        towers.model.zero_grad()
        vectors = towers.histories(batch)  # (12, d)
        (vectors * torch.arange(12)[:, None]).pow(2).sum(1).log1p().sum().backward()
        found[tokens] = (
            vectors.detach(),
            towers.model.longformer.layers[0].attention.query.weight.grad.clone(),
        )
    assert len(calls) == parts
    for whole, split in zip(found[10**9], found[kept], strict=True):
        assert whole.abs().max() > 0
        torch.testing.assert_close(split, whole, rtol=1e-3, atol=1e-5)
