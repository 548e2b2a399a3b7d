"""A training that collapses is stopped with one sentence; one that only starts badly is not."""

import numpy as np
import pytest
import torch

from listing_vibes.errors import VibesError
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.training import guard
from listing_vibes.training.bank import ItemBank
from listing_vibes.training.guard import COLLAPSE_AFTER, check_bank, check_loss
from listing_vibes.training.state import TrainingState
from listing_vibes.training.train import train


def test_a_loss_above_knowing_nothing_is_borne_for_a_while_after_the_warm_up():
    config, progress = ResolvedTraining(warmup=10), TrainingState()
    for step in range(1, 10 + COLLAPSE_AFTER):
        progress.step = step
        check_loss(progress, 5.0, 100, config)  # ln 100 = 4.6
    progress.step = 10 + COLLAPSE_AFTER
    with pytest.raises(VibesError, match=rf"for {COLLAPSE_AFTER} steps .*ln of 100 candidates = 4.61"):
        check_loss(progress, 5.0, 100, config)


def test_the_second_stage_warms_up_again():
    config, rows = ResolvedTraining(warmup=10), np.arange(9)
    state = TrainingState(step=108, stage_step=100, above=COLLAPSE_AFTER)
    check_loss(state, 5.0, 100, config)
    check_bank(state, ItemBank(rows, torch.ones(9, 4) / 2), config)
    state.step, state.above = 111, COLLAPSE_AFTER
    with pytest.raises(VibesError, match="knows nothing"):
        check_loss(state, 5.0, 100, config)
    with pytest.raises(VibesError, match="nothing tells them apart"):
        check_bank(state, ItemBank(rows, torch.ones(9, 4) / 2), config)


def test_one_good_step_begins_the_count_anew():
    config, progress = ResolvedTraining(warmup=0), TrainingState(step=1)
    for loss in [5.0, 5.0, 5.0, 5.0, 4.5, 5.0, 5.0, 5.0, 5.0]:
        progress.step += 1
        check_loss(progress, loss, 100, config)
    assert progress.above == 4


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_at_once(value):
    with pytest.raises(VibesError, match=f"became {value}"):
        check_loss(TrainingState(), value, 100, ResolvedTraining())


def test_a_bank_of_listings_that_are_all_alike():
    config, rows = ResolvedTraining(warmup=10), np.arange(50)
    one = torch.nn.functional.normalize(torch.ones(50, 8) + 0.01 * torch.randn(50, 8), dim=1)
    check_bank(TrainingState(step=5), ItemBank(rows, one), config)  # still warming up
    with pytest.raises(VibesError, match="nothing tells them apart"):
        check_bank(TrainingState(step=11), ItemBank(rows, one), config)
    check_bank(
        TrainingState(step=11),
        ItemBank(rows, torch.nn.functional.normalize(torch.randn(50, 8), dim=1)),
        config,
    )


def test_a_real_training_that_collapses_is_stopped(small_market, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "COLLAPSE_AFTER", 12)
    changed = {
        **quick.training.model_dump(exclude_unset=True),
        **{"learning_rate": 3.0, "warmup": 0, "max_epochs": 30},
    }
    settings = Resolved.model_validate({**quick.model_dump(exclude_unset=True), "training": changed})
    with pytest.raises(VibesError, match=r"collapsed|became"):
        train(small_market, tmp_path / "run", settings, None)


def test_weights_that_make_no_number_of_a_listing_are_no_run(small_market, quick, tmp_path):
    changed = {
        **quick.training.model_dump(exclude_unset=True),
        **{"learning_rate": 1e20, "warmup": 0, "average": 0.0, "max_steps": 1},
    }
    settings = Resolved.model_validate({**quick.model_dump(exclude_unset=True), "training": changed})
    with pytest.raises(
        VibesError, match=r"The validation became nan at step 1; lower training\.learning_rate"
    ):
        train(small_market, tmp_path / "run", settings, None)
    assert not (tmp_path / "run" / "run.toml").exists()
