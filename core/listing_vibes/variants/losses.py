"""Losses with several positives: inside the log, or each in a separate one. Both cost more than `next`, and neither is ahead of it."""

import torch
from torch import Tensor

from listing_vibes.model.losses import Loss
from listing_vibes.model.losses.next import logsumexp_where


class LogIn(Loss):
    """-log of the positives' share of the softmax mass: one good positive suffices (Khosla et al. 2020, eq. 3)."""

    def __call__(self, scores: Tensor, positive: Tensor, negative: Tensor, first: Tensor) -> Tensor:
        top = logsumexp_where(scores, positive)  # (B,)
        full = logsumexp_where(scores, positive | negative)  # (B,)
        return (full - top).mean()


class LogOut(Loss):
    """Mean over positives of -log softmax against the negatives alone (Khosla et al. 2020, eq. 2, per positive)."""

    def __call__(self, scores: Tensor, positive: Tensor, negative: Tensor, first: Tensor) -> Tensor:
        rest = logsumexp_where(scores, negative)[:, None]  # (B, 1)
        each = torch.logaddexp(scores, rest) - scores  # (B, C)
        count = positive.sum(1).clamp(min=1)
        return (each.masked_fill(~positive, 0).sum(1) / count).mean()
