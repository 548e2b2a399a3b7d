"""The learning rate of each step, beside that of transformers."""

import pytest
import torch
from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.model.model import TokenEmbedder
from listing_vibes.training.optimizer import learning_rate, make_optimizer, take_step


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
