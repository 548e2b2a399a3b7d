"""The loop of training steps: what it refuses, when it validates, two stages."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.training_pieces import changed, pieces
from listing_vibes.errors import VibesError
from listing_vibes.model.checkpoint import load_weights
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Validated, silent
from listing_vibes.training.multi_market import Mix
from listing_vibes.training.optimize import Optimization
from listing_vibes.training.train import train


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

    state = Optimization(model, data, settings, tmp_path / "run", validate, False, silent).train()
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
    loop = Optimization(model, data, settings, tmp_path, None, False, silent)
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
