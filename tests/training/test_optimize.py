"""The loop of training steps: what it refuses, when it validates, two stages."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

from helpers.trainings import changed, pieces
from listing_vibes.errors import VibesError
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.model.checkpoint import load_weights
from listing_vibes.model.model import ListingModel, TokenEmbedder
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Validated, silent
from listing_vibes.training.batches import Mix
from listing_vibes.training.optimize import Optimization, learning_rate, make_optimizer, take_step
from listing_vibes.training.train import train
from listing_vibes.variants.two_stage import TwoStageOptimization


def test_the_second_stage_keeps_the_listings_of_the_best_first_stage_and_trains_on(
    small_market, quick, tmp_path
):
    settings = changed(quick, recipe="two-stage", bf16=False)
    model, data = pieces(small_market, settings)
    better, first_stage = itertools.count(), {}

    def validate(now: ListingModel) -> tuple[float, float]:
        if not now.frozen:
            first_stage.update({n: t.clone() for n, t in now.longformer.state_dict().items()})
        return 0.5, float(next(better))  # the same hits, in better ranks

    state = TwoStageOptimization(model, data, settings, tmp_path / "run", validate, False, silent).train()
    load_weights(tmp_path / "run" / "model.safetensors", model)
    assert state.stage == 2 and state.best_step == state.step
    assert all(torch.equal(first_stage[n], t) for n, t in model.listing_side.longformer.state_dict().items())
    assert any(not torch.equal(first_stage[n], t) for n, t in model.longformer.state_dict().items())


@pytest.mark.parametrize("better", [True, False])
def test_a_short_training_validates_twenty_times_and_patience_is_counted_in_steps(
    small_market, quick, tmp_path, better
):
    sizes = {"max_steps": 40, "max_epochs": 50, "validate_every": 5, "patience": 1, "bank_size": 0}
    settings = changed(
        quick, **sizes, fresh=200, bf16=False
    )  # a step encodes all, so that a validation costs no more
    model, data = pieces(small_market, settings)
    count, updates = itertools.count(), []

    def validate(now: ListingModel) -> tuple[float, float]:
        return 0.5, float(next(count) * (1 if better else -1))

    state = Optimization(model, data, settings, tmp_path / "run", validate, False, updates.append).train()
    steps = [one.step for one in updates if isinstance(one, Validated)]
    assert steps == (list(range(2, 41, 2)) if better else [2, 4, 6, 8])
    assert state.best_step == (40 if better else 2)


@pytest.mark.parametrize(
    ("training", "stopped"),
    [
        ({"learning_rate": 3.0, "warmup": 0, "max_epochs": 30}, "collapsed|became"),
        (
            {"learning_rate": 1e20, "warmup": 0, "average": 0.0, "max_steps": 1},
            "validation became nan at step 1",
        ),
    ],
)
def test_a_training_that_collapses_is_stopped_and_is_no_run(small_market, quick, tmp_path, training, stopped):
    with pytest.raises(VibesError, match=stopped):
        train(small_market, tmp_path / "run", changed(quick, **training), None)
    assert not (tmp_path / "run" / "run.toml").exists()


def test_buckets_stay_while_the_bank_does(small_market, quick, tmp_path):
    """In the second stage the bank is never encoded again, so that other buckets would be others in histories."""
    settings = changed(quick, bf16=False, recipe="two-stage")
    model, data = pieces(small_market, settings)
    buckets = (int(data.inputs.features.tokens.value.max()) - 9, 9)
    data = replace(data, mix=Mix(np.zeros(data.log.listings, int), np.ones(1), (buckets,)))
    loop = TwoStageOptimization(model, data, settings, tmp_path, None, False, silent)
    loop.bank = loop._encode_bank()
    loop.state.stage, loop.state.bank_step, read = 2, 40, []
    for loop.state.step in (40, 41, 900):
        loop._refresh()
        read.append(loop.drawn.inputs.features.tokens.value.tolist())
    assert read[0] == read[1] == read[2] != data.inputs.features.tokens.value.tolist()


def test_nothing_to_learn_from_is_refused(small_market, quick, tmp_path):
    model, data = pieces(small_market, quick)
    empty = replace(data.examples, user=data.examples.user[:0])
    with pytest.raises(VibesError, match="nothing to learn from"):
        Optimization(model, replace(data, examples=empty), Resolved(), tmp_path, None, False, silent)


@pytest.mark.parametrize(("planned", "warmup"), [(1500, 100), (60, 0), (7, 3)])
def test_after_the_warm_up_it_is_the_cosine_of_transformers_to_the_last_digit(planned, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    schedule = get_cosine_with_min_lr_schedule_with_warmup(optimizer, warmup, planned, min_lr_rate=0.05)
    theirs = []
    for _ in range(planned + 1):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    ours = [learning_rate(step, planned, warmup, 1e-3) for step in range(planned + 1)]
    assert ours[warmup:] == theirs[warmup:]
    # While it warms up it is a step ahead: the first step has a rate, too.
    assert ours[: max(warmup - 1, 0)] == pytest.approx(theirs[1 : max(warmup, 1)])
    assert learning_rate(planned + 50, planned, warmup, 1e-3) == ours[-1] == pytest.approx(5e-5)


def test_the_vectors_of_values_have_a_rate_of_their_own():
    embedder = TokenEmbedder(Vocabulary(attributes=[], size=5), 4)
    for share, value, key in ((1.0, 1e-3, 1e-3), (10.0, 1e-2, 1e-3)):
        optimizer = make_optimizer(embedder, 1e-3, value_rate=share)
        take_step(optimizer, embedder, 1e-3)
        rates = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
        decay = {
            id(one): group["weight_decay"] for group in optimizer.param_groups for one in group["params"]
        }
        assert rates[id(embedder.value.weight)] == pytest.approx(value)
        assert rates[id(embedder.key.weight)] == pytest.approx(key) and decay[id(embedder.value.weight)] == 0
        assert len(rates) == len(list(embedder.parameters()))  # each once
