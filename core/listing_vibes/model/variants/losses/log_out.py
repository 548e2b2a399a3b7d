"""Several positives, each in a separate log."""

import torch
from torch import Tensor

from listing_vibes.model.variants.losses import Loss
from listing_vibes.model.variants.losses._masked import logsumexp_where


class LogOut(Loss):
    """Mean over positives of -log softmax against the negatives alone (Khosla et al. 2020, eq. 2, per positive)."""

    def __call__(self, scores: Tensor, positive: Tensor, negative: Tensor, first: Tensor) -> Tensor:
        rest = logsumexp_where(scores, negative)[:, None]  # (B, 1)
        each = torch.logaddexp(scores, rest) - scores  # (B, C)
        count = positive.sum(1).clamp(min=1)
        return (each.masked_fill(~positive, 0).sum(1) / count).mean()
