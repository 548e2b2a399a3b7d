"""InfoNCE over cosine / temperature, one class in one file by how several positives enter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from listing_vibes.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


class Loss(ABC):
    """What training minimises: `log_in.py` in this folder is `training.loss = "log_in"`."""

    @abstractmethod
    def __call__(self, scores: Tensor, positive: Tensor, negative: Tensor, first: Tensor) -> Tensor:
        """One number, the mean over rows.

        Args:
            scores: (B, C), already divided by the temperature.
            positive, negative: (B, C) bool, which never overlap; what is neither must get no gradient.
            first: (B,) the column of the very next listing.
        """


#: All losses by the name that settings give them; knowing the names imports no torch.
LOSSES = Registry(__name__, Loss, "loss", "_", group="listing_vibes.losses")
