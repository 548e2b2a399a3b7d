"""Pre-training: which values are masked, and the loss against a loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.tokens.tabular import TYPE_ATTRIBUTE
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.inputs import TokenBatch
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.model.variants import build_model
from listing_vibes.run.engine import make_inputs
from listing_vibes.training.distributed import Processes
from listing_vibes.training.examples import make_examples
from listing_vibes.training.multi_market import Mix
from listing_vibes.training.pretrain import MASKED, Pretraining, mask_values, pretraining_loss
from listing_vibes.training.step import StepData


@pytest.fixture(params=["cls", "listing-vectors"])
def case(request, tiny_market):
    market = Market.open(tiny_market(listings=30, users=12, events_per_user=9))
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    settings = Resolved(
        history=request.param,
        encoder={"layers": 1, "width": 32, "heads": 2, "ffn": 64, "dropout": 0.0},
        features=FeatureConfig(text=False),
        training=ResolvedTraining(batch=8, fresh=8),
    )
    featurizer = Featurizer.fit(market, settings.features, 32, np.arange(30), log.duration, None)
    inputs = make_inputs(featurizer, featurizer.transform(market, None), log, settings)
    split = make_split(log, catalogue)
    data = StepData(make_examples(log, split, 3), log, catalogue, inputs, np.arange(30), True, 0)
    torch.manual_seed(0)
    return build_model(featurizer.vocabulary, settings), data, settings


def test_masked_values_are_gone_and_only_they(case):
    _, data, _ = case
    whole = data.inputs.listings(np.arange(30))
    masked, token = mask_values(whole, 0.4, np.random.default_rng(0).random(len(whole.key)))
    assert (whole.value[token] > 0).all()
    assert (whole.type[token] == TYPE_ATTRIBUTE).all()
    assert not masked.value[token].any() and not masked.bin[token].any()
    others = np.setdiff1d(np.arange(len(whole.key)), token)
    assert (masked.value[others] == whole.value[others]).all() and (
        masked.bin[others] == whole.bin[others]
    ).all()
    assert (masked.key == whole.key).all()
    maskable = ((whole.type == TYPE_ATTRIBUTE) & (whole.value > 0)).sum()
    assert len(token) / maskable == pytest.approx(0.4, abs=0.1)


@pytest.mark.slow
def test_every_part_of_the_loss_reaches_the_model_and_falls(case):
    model, data, settings = case
    whole, tables = Pretraining(model), data.inputs.tensors("cpu")
    optimizer = torch.optim.AdamW(whole.parameters(), lr=3e-3)
    losses = []
    one, again, other = (
        float(pretraining_loss(whole, data, np.arange(30), step, settings, tables, Processes()))
        for step in (3, 3, 4)
    )
    assert one == again != other  # a step is seeded by its number
    for step in range(30):
        loss = pretraining_loss(whole, data, np.arange(30), step, settings, tables, Processes())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert whole.bias.grad.abs().sum() > 0 and model.embedder.value.weight.grad.abs().sum() > 0


def test_the_loss_is_that_of_a_loop_over_pairs_and_guesses(case):
    """BERT's guesses, a tenth as loud, beside one positive against the other pairs' next listings (Li et al. 2023, eq. 4 to 6)."""
    model, data, settings = case
    data = replace(data, mix=Mix.of(np.arange(30) % 2, np.arange(30), 1.0))
    torch.manual_seed(0)
    whole, tables, known = Pretraining(model), data.inputs.tensors("cpu"), np.arange(30)
    torch.nn.init.normal_(whole.bias)
    found = float(pretraining_loss(whole, data, known, 3, settings, tables, Processes()).detach())
    log, examples, rng = data.log, data.examples, np.random.default_rng([data.seed, 3, 3])
    pairs = rng.choice(len(examples), 8, replace=False, p=data.mix.shares(examples.positive[:, 0]))
    asked = np.append(log.listing[examples.end[pairs] - 1], rng.choice(known, 8, replace=False))
    read = data.inputs.listings(asked)
    masked, token = mask_values(read, MASKED, rng.random(len(read.key)))
    following = examples.positive[pairs, 0]
    with torch.no_grad():
        hidden = model.hidden(TokenBatch(masked), *tables)
        before = torch.nn.functional.normalize(hidden[:, 0], dim=1).numpy()
        after = model(TokenBatch(data.inputs.listings(following)), *tables).numpy()
        begin, wrong = np.cumsum(read.length) - read.length, []
        for at, value in zip(token, read.value[token], strict=True):
            row = np.searchsorted(begin, at, side="right") - 1
            said = whole.head(hidden[row, at - begin[row]]) @ model.embedder.value.weight.T + whole.bias
            wrong.append(float(said.logsumexp(0) - said[value]))
    losses = []
    for one, example in enumerate(pairs):
        user, scores = examples.user[example], {}
        own = set(log.listing[slice(*examples.train_span[user])].tolist())
        for other, listing in enumerate(following):
            if listing not in own and (listing - following[one]) % 2 == 0:
                scores[int(listing)] = before[one] @ after[other] / settings.training.temperature
        right = before[one] @ after[one] / settings.training.temperature
        losses.append(np.logaddexp.reduce([right, *scores.values()]) - right)
    assert len(wrong) > 2 and np.count_nonzero(losses) > 3
    assert found == pytest.approx(np.mean(losses) + 0.1 * np.mean(wrong), rel=1e-4)
