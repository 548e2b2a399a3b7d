"""One positive: the very next listing."""

import torch

from core.model.losses.masked import logsumexp_where


def next_one(
    scores: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, first: torch.Tensor
) -> torch.Tensor:
    """-log softmax of the next listing against the negatives (van den Oord et al. 2018, eq. 4)."""
    rest = logsumexp_where(scores, negative)  # (B,)
    own = scores.gather(1, first[:, None]).squeeze(1)  # (B,)
    return (torch.logaddexp(own, rest) - own).mean()
