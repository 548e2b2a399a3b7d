"""AdamW with weight decay where it belongs, and the learning rate of each step."""

import math
from typing import Any

import torch

from listing_vibes.features.photos.trainable import PREFIX
from listing_vibes.model.embeddings import TokenEmbedder

WEIGHT_DECAY = 0.01
#: Share of the learning rate for the stages of a photo encoder that train.
PHOTO_RATE = 0.1
#: Norm that gradients are clipped to.
CLIP = 1.0


def make_optimizer(model: torch.nn.Module, rate: float, value_rate: float = 1.0) -> torch.optim.AdamW:
    """AdamW; weight decay for matrices of linear layers, none for biases, norms and embedding tables.

    Stages of a photo encoder have a group of their own, without decay: `set_rate` gives it the share `PHOTO_RATE`; the tables
    of attribute values (`listing_vibes.model.embeddings.TokenEmbedder`) have `value_rate` times the rate of the rest.
    """
    values: list[torch.nn.Parameter] = []
    blocks: list[torch.nn.Parameter] = []
    decayed: list[torch.nn.Parameter] = []
    plain: list[torch.nn.Parameter] = []
    tables = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    quick = {id(m.value.weight) for m in model.modules() if isinstance(m, TokenEmbedder) and value_rate != 1}
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and id(parameter) not in tables and not name.endswith("slope")
        if name.startswith(PREFIX):
            blocks.append(parameter)
        elif id(parameter) in quick:
            values.append(parameter)
        else:
            (decayed if is_matrix else plain).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": WEIGHT_DECAY},
        {"params": plain, "weight_decay": 0.0},
    ]
    if values:
        groups.append({"params": values, "weight_decay": 0.0, "share": value_rate})
    if blocks:
        groups.append({"params": blocks, "weight_decay": 0.0, "share": PHOTO_RATE})
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step, or each group's share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("share", 1.0)


def learning_rate(step: int, planned: int, warmup: int, peak: float) -> float:
    """Linear warm-up, then a cosine down to a twentieth of the peak at the last planned step.

    The cosine of `transformers.get_cosine_with_min_lr_schedule_with_warmup`; but that wastes its first step on a rate of 0,
    climbs again after the last planned step, and has a state to be kept in every checkpoint.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, planned - warmup))
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
