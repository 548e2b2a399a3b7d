"""Several positives, each with a log of its own."""

import torch

from core.model.losses.masked import logsumexp_where


def log_out(
    scores: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, first: torch.Tensor
) -> torch.Tensor:
    """Mean over positives of -log softmax against the negatives alone (Khosla et al. 2020, eq. 2, per positive)."""
    rest = logsumexp_where(scores, negative)[:, None]  # (B, 1)
    each = torch.logaddexp(scores, rest) - scores  # (B, C)
    count = positive.sum(1).clamp(min=1)
    return (each.masked_fill(~positive, 0).sum(1) / count).mean()
