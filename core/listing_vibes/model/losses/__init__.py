"""InfoNCE over cosine / temperature, with one class per file for each treatment of several positives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from listing_vibes.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


class Loss(ABC):
    """The objective that training minimizes: `next.py` in this folder is `training.loss = "next"`."""

    @abstractmethod
    def __call__(self, scores: Tensor, positive: Tensor, negative: Tensor, first: Tensor) -> Tensor:
        """Return the mean loss over rows.

        Args:
            scores: (B, C), already divided by the temperature.
            positive, negative: (B, C) bool, disjoint; other candidates must have no gradient.
            first: (B,) the column of the very next listing.
        """


#: All losses by their name in settings; importing this does not import torch.
LOSSES = Registry(
    __name__, Loss, "loss", "_", group="listing_vibes.losses",
    elsewhere={"log_in": "listing_vibes.variants.losses:LogIn", "log_out": "listing_vibes.variants.losses:LogOut"},
)  # fmt: skip
