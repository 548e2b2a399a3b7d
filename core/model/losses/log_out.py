"""Several positives, each with a log of its own."""

import torch


def log_out(
    scores: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, first: torch.Tensor
) -> torch.Tensor:
    """Mean over positives of -log softmax against the negatives alone (Khosla et al. 2020, eq. 2, per positive)."""
    lowest = torch.finfo(scores.dtype).min
    rest = scores.masked_fill(~negative, lowest).logsumexp(1, keepdim=True)  # (B, 1)
    each = torch.logaddexp(scores, rest) - scores  # (B, C)
    count = positive.sum(1).clamp(min=1)
    return (each.masked_fill(~positive, 0).sum(1) / count).mean()
