"""Pre-training: which values are taken away, and that the next listing is told from others."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import listing_vibes.training.pretrain as pretrain_module
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.tokens.tabular import TYPE_ATTRIBUTE
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.embeddings import TokenBatch
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.run.engine import make_inputs
from listing_vibes.training.examples import make_examples
from listing_vibes.training.mix import Mix
from listing_vibes.training.pretrain import MASKED, Pretraining, mask_values, pretraining_loss
from listing_vibes.training.step import StepData
from listing_vibes.training.token_chance import token_uniforms


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


def test_the_loss_is_that_of_a_loop_over_pairs_and_guesses(case):
    """BERT's guesses, a tenth as loud, beside one positive against the other pairs' next listings (Li et al. 2023, eq. 4 to 6)."""
    model, data, settings = case
    data = replace(data, mix=Mix.of(np.arange(30) % 2, np.arange(30), 1.0))
    torch.manual_seed(0)
    whole, tables, known = Pretraining(model), data.inputs.tensors("cpu"), np.arange(30)
    torch.nn.init.normal_(whole.bias)
    found = float(pretraining_loss(whole, data, known, 3, settings, tables).detach())
    log, examples, rng = data.log, data.examples, np.random.default_rng([data.seed, 3, 3])
    pairs = rng.choice(len(examples), 8, replace=False, p=data.mix.shares(examples.positive[:, 0]))
    asked = np.append(log.listing[examples.end[pairs] - 1], rng.choice(known, 8, replace=False))
    read = data.inputs.listings(asked)
    chance = token_uniforms(read, np.arange(16), int(rng.integers(1 << 31, size=3)[0]))
    masked, guesses = mask_values(read, MASKED, chance)
    following = examples.positive[pairs, 0]
    with torch.no_grad():
        hidden = model.hidden(TokenBatch(masked), *tables)
        before = torch.nn.functional.normalize(hidden[:, 0], dim=1).numpy()
        after = model(TokenBatch(data.inputs.listings(following)), *tables).numpy()
        begin, wrong = np.cumsum(read.length) - read.length, []
        for token, value in zip(guesses.token, guesses.value, strict=True):
            row = np.searchsorted(begin, token, side="right") - 1
            said = whole.head(hidden[row, token - begin[row]]) @ model.embedder.value.weight.T + whole.bias
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
    assert len(wrong) > 5 and np.count_nonzero(losses) > 3
    assert found == pytest.approx(np.mean(losses) + 0.1 * np.mean(wrong), rel=1e-4)


def test_pairs_of_several_markets_are_drawn_as_often_as_asked(case, monkeypatch):
    model, data, settings = case
    market = np.arange(30) % 2
    asked, excluded = [], pretrain_module.exclusions

    def told(examples, log, rows, *more, **options):
        asked.extend(market[examples.positive[rows, 0]])
        return excluded(examples, log, rows, *more, **options)

    monkeypatch.setattr(pretrain_module, "exclusions", told)
    for weight, there in (([1.0, 0.0], {0}), ([0.0, 1.0], {1}), ([1.0, 1.0], {0, 1})):
        asked.clear()
        mixed = replace(data, mix=Mix(market, np.array(weight)))
        tables = data.inputs.tensors(torch.device("cpu"))
        for step in range(3):
            pretraining_loss(Pretraining(model), mixed, np.arange(30), step, settings, tables)
        assert set(asked) == there


def test_codes_of_several_markets_are_drawn_anew(case, tmp_path, monkeypatch):
    model, data, settings = case
    training = settings.training.model_copy(update={"pretrain_steps": 5, "bank_every": 2})
    settings = settings.model_copy(update={"training": training})
    codes = (int(data.inputs.features.tokens.value.max()) - 3, 3)
    data = replace(data, mix=Mix(np.arange(30) % 2, np.ones(2), (codes,)))
    loss, read = pretrain_module.pretraining_loss, []

    def told(whole, now, *more):
        read.append(now.inputs.features.tokens.value.tolist())
        return loss(whole, now, *more)

    monkeypatch.setattr(pretrain_module, "pretraining_loss", told)
    pretrain_module.pretrain(model, data, np.arange(30), settings, tmp_path, False, lambda update: None)
    assert read[0] == read[1] != read[2] == read[3] != read[4]
