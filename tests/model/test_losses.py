"""Each loss against a slow twin in plain Python."""

import math
import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError

from listing_vibes.model.settings import Resolved
from listing_vibes.model.variants.losses import LOSSES


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


#: The loss of one row from exp(score) of its positives, of its negatives and of the next listing.
TWINS = {
    "log_in": lambda good, bad, own: -math.log(sum(good) / (sum(good) + sum(bad))),
    "log_out": lambda good, bad, own: sum(-math.log(g / (g + sum(bad))) for g in good) / len(good),
    "next": lambda good, bad, own: -math.log(own / (own + sum(bad))),
}


def twin(name, scores, positive, negative, first):
    total = 0.0
    for row in range(len(scores)):
        good = [math.exp(scores[row, c]) for c in range(scores.shape[1]) if positive[row, c]]
        bad = [math.exp(scores[row, c]) for c in range(scores.shape[1]) if negative[row, c]]
        total += TWINS[name](good, bad, math.exp(scores[row, first[row]]))
    return total / len(scores)


@pytest.mark.parametrize("name", TWINS)
def test_equals_the_slow_twin(name, case):
    assert LOSSES[name]()(*case).item() == pytest.approx(twin(name, *case), rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_neither_positive_nor_negative_gets_no_gradient(name, case):
    scores, positive, negative, first = case
    scores = scores.clone().requires_grad_()
    LOSSES[name]()(scores, positive, negative, first).backward()
    assert (scores.grad[~positive & ~negative] == 0).all()
    assert (scores.grad[negative] >= 0).all() and (scores.grad[negative] > 0).any()


@pytest.mark.parametrize("name", TWINS)
def test_every_negative_of_a_softmax_is_pushed_away(name, case):
    scores, positive, negative, first = case
    scores = scores.clone().requires_grad_()
    LOSSES[name]()(scores, positive, negative, first).backward()
    assert (scores.grad[negative] > 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_row_without_negatives_costs_nothing_and_stays_finite(name, case):
    scores, positive, negative, first = case
    value = LOSSES[name]()(scores.float(), positive, torch.zeros_like(negative), first)
    assert value.item() == pytest.approx(0, abs=1e-5)


def test_settings_name_a_loss_and_a_user_encoder_and_refuse_others():
    settings = Resolved.model_validate({"history": "cls", "training": {"loss": "log_out"}})
    assert (settings.history, settings.training.loss) == ("cls", "log_out")
    for wrong in ({"training": {"loss": "none such"}}, {"history": "none such"}):
        with pytest.raises(ValidationError):
            Resolved.model_validate(wrong)


def test_the_names_of_variants_are_known_without_torch():
    code = (
        "import sys; from listing_vibes.model.variants.losses import LOSSES; "
        "from listing_vibes.model.variants.user_encoders import USER_ENCODERS; "
        "print(*sorted([*LOSSES, *USER_ENCODERS]), 'torch' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert printed == "cls listing-vectors log_in log_out next False\n"
