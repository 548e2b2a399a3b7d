"""AdamW with weight decay where it belongs, and the learning rate of each step."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from listing_vibes.features.photos.trainable import PREFIX
from listing_vibes.model.model import TokenEmbedder

WEIGHT_DECAY = 0.01
#: Share of the learning rate for the stages of a photo encoder that train.
PHOTO_RATE = 0.1
#: Norm that gradients are clipped to.
CLIP = 1.0


def make_optimizer(model: nn.Module, rate: float, value_rate: float = 1.0) -> torch.optim.AdamW:
    """Return AdamW with weight decay for matrices of linear layers, none for biases, norms and embedding tables.

    Each group has a `share` of the learning rate of a step: stages of a photo encoder `PHOTO_RATE`, the tables of attribute
    values `value_rate`.
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
    """Clip the gradients and move the weights by the learning rate, or each group's share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def learning_rate(step: int, planned: int, warmup: int, peak: float) -> float:
    """Return a linear warm-up, then a cosine down to a twentieth of the peak at the last planned step.

    The cosine of `transformers.get_cosine_with_min_lr_schedule_with_warmup`; but that wastes its first step on a rate of 0,
    climbs again after the last planned step, and has a state to be kept in every checkpoint.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, planned - warmup))
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
