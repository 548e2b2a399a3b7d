"""A training leaves torch as it found it."""

import inspect

import pytest
import torch

from listing_vibes.training.processes import Processes, settings_of_torch
from listing_vibes.training.train import train


def test_a_notebook_goes_on_without_the_settings_of_training():
    utils = torch.utils.deterministic
    torch.use_deterministic_algorithms(False)  # whatever a test before this one left
    before = torch.are_deterministic_algorithms_enabled(), utils.fill_uninitialized_memory
    with pytest.raises(ZeroDivisionError), settings_of_torch():
        Processes.launched()
        assert torch.are_deterministic_algorithms_enabled() and not utils.fill_uninitialized_memory
        raise ZeroDivisionError
    assert before == (torch.are_deterministic_algorithms_enabled(), utils.fill_uninitialized_memory)


def test_training_is_within_them():
    assert inspect.unwrap(train) is not train
