"""Each loss against a slow twin in plain Python."""

import math

import pytest
import torch

from core.model.losses import LOSSES


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 12, generator=generator, dtype=torch.float64) * 5
    positive = torch.zeros(6, 12, dtype=torch.bool)
    first = torch.tensor([0, 3, 5, 5, 11, 7])
    positive[torch.arange(6), first] = True
    positive[0, 4] = positive[0, 9] = positive[3, 1] = True
    negative = (torch.rand(6, 12, generator=generator) < 0.6) & ~positive
    return scores, positive, negative, first


def twin(name, scores, positive, negative, first):
    total = 0.0
    for row in range(len(scores)):
        good = [math.exp(scores[row, c]) for c in range(scores.shape[1]) if positive[row, c]]
        bad = [math.exp(scores[row, c]) for c in range(scores.shape[1]) if negative[row, c]]
        if name == "log_in":
            total += -math.log(sum(good) / (sum(good) + sum(bad)))
        elif name == "log_out":
            total += sum(-math.log(g / (g + sum(bad))) for g in good) / len(good)
        else:
            own = math.exp(scores[row, first[row]])
            total += -math.log(own / (own + sum(bad)))
    return total / len(scores)


@pytest.mark.parametrize("name", LOSSES)
def test_equals_the_slow_twin(name, case):
    assert LOSSES[name](*case).item() == pytest.approx(twin(name, *case), rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_neither_positive_nor_negative_gets_no_gradient(name, case):
    scores, positive, negative, first = case
    scores = scores.clone().requires_grad_()
    LOSSES[name](scores, positive, negative, first).backward()
    assert (scores.grad[~positive & ~negative] == 0).all()
    assert (scores.grad[negative] > 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_row_without_negatives_costs_nothing_and_stays_finite(name, case):
    scores, positive, negative, first = case
    value = LOSSES[name](scores.float(), positive, torch.zeros_like(negative), first)
    assert value.item() == pytest.approx(0, abs=1e-5)
