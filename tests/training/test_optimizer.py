"""The learning rate of each step, beside that of transformers."""

import pytest
import torch
from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

from core.training.optimizer import learning_rate


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
