"""One positive: the very next listing."""

import torch
from torch import Tensor

from listing_vibes.model.losses import Loss
from listing_vibes.model.losses._masked import logsumexp_where


class Next(Loss):
    """-log softmax of the next listing against the negatives (van den Oord et al. 2018, eq. 4)."""

    def __call__(self, scores: Tensor, positive: Tensor, negative: Tensor, first: Tensor) -> Tensor:
        rest = logsumexp_where(scores, negative)  # (B,)
        target = scores.gather(1, first[:, None]).squeeze(1)  # (B,)
        return (torch.logaddexp(target, rest) - target).mean()
