"""The item bank: embeddings without gradient of every listing with a training event."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from listing_vibes.device import device_of, place
from listing_vibes.model.encoder import encode_listings
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.model import ListingModel
from listing_vibes.training.distributed import Processes


@dataclass(eq=False)
class ItemBank:
    """Embeddings of all warm listings (those with a training event), re-encoded every N steps, without gradient."""

    rows: np.ndarray  # (W,) listing rows
    vectors: torch.Tensor  # (W, d) float32

    @classmethod
    @torch.no_grad()
    def encode(
        cls,
        model: ListingModel,
        inputs: Inputs,
        rows: np.ndarray,
        processes: Processes,
        dtype: torch.dtype | None = None,
    ) -> ItemBank:
        """Encode the listings `rows`, each process its part."""
        own = encode_listings(model, inputs, rows[processes.mine(len(rows))], dtype=dtype)
        return cls(rows, processes.gather(place(own, device_of(model)), len(rows)))

    @property
    def mean_cosine(self) -> float:
        """Mean cosine of two listings, those of one with itself included: 1 where all embeddings are the same."""
        return float(self.vectors.mean(0).square().sum())


def steps_between(inputs: Inputs, rows: np.ndarray, step_tokens: float, at_least: int) -> int:
    """Return how many steps lie between two encodings of the listings `rows`, `at_least` so many.

    A token that is trained on costs about three that are only encoded, so that with a bank of as many tokens as all
    these steps read (`step_tokens` each) encoding it takes a quarter of the time.
    """
    return max(at_least, math.ceil(inputs.listing_lengths(rows).sum() / step_tokens))
