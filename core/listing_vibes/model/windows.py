"""Batches of windows: runs of a user's events, oldest first, of which one pass embeds every prefix.

Shapes: B windows, K listings of the longest window, R events of all windows, S tokens of the longest window.
"""

from dataclasses import dataclass

import numpy as np
import torch

from listing_vibes.features.sequences import Sequences, Windows
from listing_vibes.market.log import ranges
from listing_vibes.model.embeddings import TokenBatch
from listing_vibes.model.inputs import Inputs


class ReadoutBatch(TokenBatch):
    """Windows as rows of tokens: each event is a block that begins with its read-out, the `[CLS]` of its listing.

    Item positions count from 1, the oldest listing of the window.
    """

    def __init__(self, blocks: Sequences, count: np.ndarray, device: torch.device | str = "cpu") -> None:
        """blocks: R sequences, one an event, window by window; count (B,): events of each window, at least 1."""
        windows = Windows.of(blocks, count)
        super().__init__(windows.sequences, device)
        rows, real = (np.zeros((len(count), int(count.max())), kind) for kind in (np.int64, bool))
        rows[windows.owner, windows.number], real[windows.owner, windows.number] = windows.place, True
        self.rows = torch.from_numpy(rows).to(device)  # (B, K)
        self.real = torch.from_numpy(real).to(device)  # (B, K)
        self.last = torch.from_numpy(np.cumsum(count) - 1).to(device)  # (B,) newest event of each, of R

    @classmethod
    def of(
        cls, inputs: Inputs, first: np.ndarray, end: np.ndarray, device: torch.device | str = "cpu"
    ) -> "ReadoutBatch":
        """Windows `first[b] : end[b]` of the events."""
        return cls(inputs.blocks(first, end), end - first, device)


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
