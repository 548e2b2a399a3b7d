"""Several positives inside the log."""

import torch


def log_in(
    scores: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, first: torch.Tensor
) -> torch.Tensor:
    """-log of the positives' share of the softmax mass: one good positive suffices (Khosla et al. 2020, eq. 3)."""
    lowest = torch.finfo(scores.dtype).min
    top = scores.masked_fill(~positive, lowest).logsumexp(1)  # (B,)
    whole = scores.masked_fill(~(positive | negative), lowest).logsumexp(1)  # (B,)
    return (whole - top).mean()
