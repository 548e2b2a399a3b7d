"""Pre-training: which values are taken away, and that the next listing is told from others."""

import numpy as np
import pytest
import torch

from core.features.featurizer import FeatureConfig, Featurizer
from core.features.tokens.tabular import TYPE_ATTRIBUTE
from core.market.log import EventLog
from core.market.market import Market
from core.market.splits import Catalogue, make_split
from core.model.listing_model import ListingModel
from core.model.settings import Settings, TrainingConfig
from core.run.engine import make_inputs
from core.training.examples import make_examples
from core.training.pretrain import Pretraining, mask_values, pretraining_loss
from core.training.step import StepData


@pytest.fixture(params=["cls", "readout"])
def case(request, tiny_market):
    market = Market.open(tiny_market(listings=30, users=12, events_per_user=9))
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    settings = Settings(
        history=request.param,
        encoder={"layers": 1, "width": 32, "heads": 2, "ffn": 64, "dropout": 0.0},
        features=FeatureConfig(text=False),
        training=TrainingConfig(batch=8, fresh=8),
    )
    featurizer = Featurizer.fit(market, settings.features, 32, np.arange(30), log.duration, None)
    inputs = make_inputs(featurizer, featurizer.transform(market, None), log, settings)
    split = make_split(log, catalogue)
    data = StepData(make_examples(log, split, 3), log, catalogue, inputs, np.arange(30), True, 0)
    torch.manual_seed(0)
    return ListingModel.of(featurizer.vocabulary, settings), data, settings


def test_masked_values_are_gone_and_only_they(case):
    _, data, _ = case
    whole = data.inputs.listings(np.arange(30))
    masked, guesses = mask_values(whole, 0.4, np.random.default_rng(0).random(len(whole.key)))
    assert (whole.value[guesses.token] == guesses.value).all() and (guesses.value > 0).all()
    assert (whole.type[guesses.token] == TYPE_ATTRIBUTE).all()
    assert not masked.value[guesses.token].any() and not masked.bin[guesses.token].any()
    others = np.setdiff1d(np.arange(len(whole.key)), guesses.token)
    assert (masked.value[others] == whole.value[others]).all() and (
        masked.bin[others] == whole.bin[others]
    ).all()
    assert (masked.key == whole.key).all()
    maskable = ((whole.type == TYPE_ATTRIBUTE) & (whole.value > 0)).sum()
    assert len(guesses.token) / maskable == pytest.approx(0.4, abs=0.1)


@pytest.mark.slow
def test_every_part_of_the_loss_reaches_the_model_and_falls(case):
    model, data, settings = case
    whole, tables = Pretraining(model), data.inputs.tensors("cpu")
    optimizer = torch.optim.AdamW(whole.parameters(), lr=3e-3)
    losses = []
    for step in range(30):
        loss = pretraining_loss(whole, data, np.arange(30), step, settings, tables)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert whole.bias.grad.abs().sum() > 0 and model.embedder.value.weight.grad.abs().sum() > 0


def test_a_step_is_drawn_by_its_number(case):
    model, data, settings = case
    whole, tables = Pretraining(model), data.inputs.tensors("cpu")
    one, again, other = (
        float(pretraining_loss(whole, data, np.arange(30), step, settings, tables)) for step in (3, 3, 4)
    )
    assert one == again != other
