"""AdamW with weight decay for matrices only, and the learning rate schedule."""

import math
from typing import Any

import torch
from torch import nn

from listing_vibes.features.photos.trainable import PREFIX
from listing_vibes.model.model import TokenEmbedder

WEIGHT_DECAY = 0.01
#: The share of the learning rate of trained photo encoder stages.
PHOTO_RATE = 0.1
#: The maximum gradient norm.
CLIP = 1.0


def make_optimizer(model: nn.Module, rate: float, value_rate: float = 1.0) -> torch.optim.AdamW:
    """Return AdamW with weight decay for the matrices of linear layers, but not for biases, norms and embedding tables.

    Each group has a `share` of the learning rate: `PHOTO_RATE` for the stages of a photo encoder, `value_rate` for the tables of
    attribute values.
    """
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    values = {id(m.value.weight) for m in model.modules() if isinstance(m, TokenEmbedder)}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}  # by share and weight decay
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and id(parameter) not in tables and not name.endswith("slope")
        if name.startswith(PREFIX):
            key = (PHOTO_RATE, 0.0)
        elif id(parameter) in values:
            key = (value_rate, 0.0)
        else:
            key = (1.0, WEIGHT_DECAY if is_matrix else 0.0)
        groups.setdefault(key, []).append(parameter)
    settings: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": decay, "share": share}
        for (share, decay), parameters in groups.items()
    ]
    return torch.optim.AdamW(settings, lr=rate, betas=(0.9, 0.98), fused=True)


def take_step(optimizer: torch.optim.Optimizer, model: nn.Module, rate: float) -> None:
    """Clip the gradients and update the weights with the learning rate times each group's share."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def learning_rate(step: int, planned: int, warmup: int, peak: float) -> float:
    """Return the learning rate: a linear warm-up, then a cosine decay to a twentieth of the peak at the last planned step.

    It is the cosine of `transformers.get_cosine_with_min_lr_schedule_with_warmup`, which however has a rate of 0 in its first step,
    increases after the last planned step, and has a state to store in every checkpoint.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, planned - warmup))
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
