"""Every way to train: a whole run that recommends, the same weights from the same seed, and after a kill -9."""

import itertools

import numpy as np
import pytest
import torch

from helpers.killing import kill_at, train_apart, weights
from helpers.training_pieces import changed, pieces
from listing_vibes.model.checkpoint import load_weights
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Trained, Update, Validated
from listing_vibes.run.run import Run
from listing_vibes.training.finetune import finetune
from listing_vibes.training.train import train

pytestmark = pytest.mark.slow

WAYS = {
    "cls": (
        {"history": "cls"},
        {"negatives": "in-batch", "logq": True, "window_listings": 60},
    ),
    "listing-vectors": (
        {"history": "listing-vectors"},
        {"negatives": "bank", "window_listings": 60, "recency_days": 30},
    ),
    "two stages": (
        {"history": "listing-vectors"},
        {"recipe": "two-stage", "negatives": "bank", "window_listings": 60},
    ),
    "pre-trained, two stages": (
        {},
        {"recipe": "two-stage", "pretrain_steps": 60, "max_steps": 30},
    ),
}


@pytest.fixture(params=WAYS)
def way(request, quick) -> Resolved:
    top, training = WAYS[request.param]
    return changed(quick.model_copy(update=top), **training)


@pytest.mark.slow
def test_killed_and_resumed_ends_with_the_same_weights_and_a_run_that_recommends(small_market, way, tmp_path):
    told = []
    progress = train(small_market, tmp_path / "here", way, None, report=told.append)
    train_apart(small_market, tmp_path / "whole", way)
    stopped = progress.step * 2 // 3
    kill_at(small_market, tmp_path / "run", way, stopped, Trained)
    train_apart(small_market, tmp_path / "run", way, resume=True)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert (tmp_path / "run" / "train.jsonl").read_text() == (tmp_path / "whole" / "train.jsonl").read_text()
    run = Run.open(tmp_path / "run")
    assert len(run.recommend(run.log.users[0], 5)) == 5
    if way.training.recipe == "two-stage":
        assert progress.stage == 2 and 0 < progress.stage_step < progress.step
    if way.training.pretrain_steps:
        guessed = [one.loss for one in told if isinstance(one, Trained) and one.what == "pre-training"]
        assert len(guessed) == 60 and np.mean(guessed[-15:]) < np.mean(guessed[:15])


def test_the_second_stage_keeps_the_listings_of_the_best_first_stage_and_trains_on(
    small_market, quick, tmp_path
):
    settings = changed(quick, recipe="two-stage", bf16=False)
    model, data = pieces(small_market, settings)
    better, first_stage = itertools.count(), {}

    def validate(now: ListingModel) -> tuple[float, float]:
        if not now.frozen:
            first_stage.update({n: t.clone() for n, t in now.longformer.state_dict().items()})
        return 0.5, float(next(better))  # the same hits, in better places

    progress = finetune(model, data, settings, tmp_path / "run", validate, False, lambda entry: None)
    load_weights(tmp_path / "run" / "model.safetensors", model)
    assert progress.stage == 2 and progress.best_step == progress.step
    assert all(torch.equal(first_stage[n], t) for n, t in model.listing_side.longformer.state_dict().items())
    assert any(not torch.equal(first_stage[n], t) for n, t in model.longformer.state_dict().items())


def test_a_short_training_validates_twenty_times_and_patience_is_counted_in_steps(
    small_market, quick, tmp_path
):
    settings = changed(
        quick,
        max_steps=40,
        max_epochs=50,
        validate_every=5,
        patience=1,
        negatives="in-batch",
        fresh=200,  # a step encodes all listings, so that a validation is no dearer
        bf16=False,
    )
    for better, expected in ((True, range(2, 41, 2)), (False, [2, 4, 6, 8])):
        model, data = pieces(small_market, settings)
        told: list[int] = []

        def validate(now: ListingModel, told=told, better=better) -> tuple[float, float]:
            told.append(len(told))
            return 0.5, float(told[-1] if better else -told[-1])

        steps: list[int] = []

        def report(update: Update, steps=steps) -> None:
            if isinstance(update, Validated):
                steps.append(update.step)

        progress = finetune(model, data, settings, tmp_path / f"run-{better}", validate, False, report)
        assert steps == list(expected) and progress.best_step == (40 if better else 2)
