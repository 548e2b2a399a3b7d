"""AdamW with weight decay where it belongs, and the learning rate of each step."""

import math
from typing import Any

import torch


def make_optimizer(model: torch.nn.Module, rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW; weight decay for matrices of linear layers, none for biases, norms and embedding tables."""
    decayed: list[torch.nn.Parameter] = []
    plain: list[torch.nn.Parameter] = []
    tables = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and id(parameter) not in tables and not name.endswith("slope")
        (decayed if is_matrix else plain).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def learning_rate(step: int, planned: int, warmup: int, peak: float) -> float:
    """Linear warm-up, then a cosine down to a twentieth of the peak at the last planned step."""
    if step < warmup:
        return peak * (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, planned - warmup))
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
