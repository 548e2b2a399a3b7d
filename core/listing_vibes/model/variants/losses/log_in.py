"""Several positives inside the log."""

from torch import Tensor

from listing_vibes.model.variants.losses import Loss
from listing_vibes.model.variants.losses._masked import logsumexp_where


class LogIn(Loss):
    """-log of the positives' share of the softmax mass: one good positive suffices (Khosla et al. 2020, eq. 3)."""

    def __call__(self, scores: Tensor, positive: Tensor, negative: Tensor, first: Tensor) -> Tensor:
        top = logsumexp_where(scores, positive)  # (B,)
        full = logsumexp_where(scores, positive | negative)  # (B,)
        return (full - top).mean()
