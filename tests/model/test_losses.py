"""Each loss against a slow twin in plain Python."""

import math
import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError

from listing_vibes.model.settings import Settings
from listing_vibes.model.variants.losses import LOSSES

#: The loss of one row from exp(score) of its positives, of its negatives and of the next listing.
TWINS = {
    "log_in": lambda good, bad, first: -math.log(sum(good) / (sum(good) + sum(bad))),
    "log_out": lambda good, bad, first: sum(-math.log(g / (g + sum(bad))) for g in good) / len(good),
    "next": lambda good, bad, first: -math.log(first / (first + sum(bad))),
}


@pytest.mark.parametrize("name", TWINS)
def test_it_equals_the_slow_twin_and_only_positives_and_negatives_have_a_gradient(name):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 12, generator=generator, dtype=torch.float64) * 5
    positive, first = torch.zeros(6, 12, dtype=torch.bool), torch.tensor([0, 3, 5, 5, 11, 7])
    positive[torch.arange(6), first] = True
    positive[0, 4] = positive[0, 9] = positive[3, 1] = True
    negative = (torch.rand(6, 12, generator=generator) < 0.6) & ~positive
    expected = 0.0
    for row in range(6):
        good, bad = (scores[row][mask[row]].exp().tolist() for mask in (positive, negative))
        expected += TWINS[name](good, bad, math.exp(scores[row, first[row]])) / 6
    scores.requires_grad_()
    loss = LOSSES[name]()(scores, positive, negative, first)
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    loss.backward()
    assert (scores.grad[~positive & ~negative] == 0).all() and (scores.grad[negative] > 0).all()
    empty = LOSSES[name]()(scores.detach().float(), positive, torch.zeros_like(negative), first)
    assert empty.item() == pytest.approx(0, abs=1e-5)  # a row without negatives


def test_settings_name_a_loss_and_a_user_encoder_that_exist():
    settings = Settings.model_validate({"history": "cls", "training": {"loss": "log_out"}})
    assert (settings.history, settings.training.loss) == ("cls", "log_out")
    for wrong in ({"training": {"loss": "none such"}}, {"history": "none such"}):
        with pytest.raises(ValidationError):
            Settings.model_validate(wrong)


def test_the_names_of_variants_are_known_without_torch():
    code = (
        "import sys; from listing_vibes.model.variants.losses import LOSSES; "
        "from listing_vibes.model.variants.user_encoders import USER_ENCODERS; "
        "names = {*LOSSES, *USER_ENCODERS}; "
        "print(names >= {'cls', 'listing-vectors', 'log_in', 'log_out', 'next'}, 'torch' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert printed == "True False\n"
