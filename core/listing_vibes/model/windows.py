"""Batches of windows: runs of a user's events, oldest first, of which one pass embeds every prefix.

Shapes: B windows, K listings of the longest window, R events of all windows, S tokens of the longest window.
"""

from dataclasses import dataclass

import numpy as np
import torch

from listing_vibes.market.log import ranges
from listing_vibes.model.inputs import Inputs


@dataclass(frozen=True, eq=False)
class VectorBatch:
    """Windows as rows of listing numbers, with the value ids of their action and duration (0: none)."""

    listing: torch.Tensor  # (B, K) int64 row of the table of listing vectors, 0 where there is no event
    action: torch.Tensor  # (B, K) int64
    duration: torch.Tensor  # (B, K) int64
    real: torch.Tensor  # (B, K) bool
    last: torch.Tensor  # (B,) int64 newest event of each window, of R

    @classmethod
    def of(
        cls,
        inputs: Inputs,
        first: np.ndarray,
        end: np.ndarray,
        number: np.ndarray | None = None,
        device: torch.device | str = "cpu",
    ) -> "VectorBatch":
        """Windows `first[b] : end[b]` of the events.

        `number` (L,) says in which row of a table each listing stands; None: in its own.
        """
        count = end - first
        real = np.arange(count.max())[None, :] < count[:, None]  # (B, K)
        event = ranges(first, count)  # (R,)

        def rows(values: np.ndarray) -> torch.Tensor:
            table = np.zeros(real.shape, np.int64)
            table[real] = values
            return torch.from_numpy(table).to(device)

        listing = inputs.listing[event] if number is None else number[inputs.listing[event]]  # (R,)
        none, meta = np.zeros(len(event), np.int64), inputs.meta
        return cls(
            listing=rows(listing),
            action=rows(none if meta is None else meta.action[event]),
            duration=rows(none if meta is None else meta.duration[event]),
            real=torch.from_numpy(real).to(device),
            last=torch.from_numpy(np.cumsum(count) - 1).to(device),
        )
