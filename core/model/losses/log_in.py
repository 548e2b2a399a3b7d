"""Several positives inside the log."""

import torch

from core.model.losses.masked import logsumexp_where


def log_in(
    scores: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, first: torch.Tensor
) -> torch.Tensor:
    """-log of the positives' share of the softmax mass: one good positive suffices (Khosla et al. 2020, eq. 3)."""
    top = logsumexp_where(scores, positive)  # (B,)
    whole = logsumexp_where(scores, positive | negative)  # (B,)
    return (whole - top).mean()
