"""The item bank: embeddings of every listing with a training event, without gradient."""

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
    """Embeddings of all warm listings (with a training event), encoded every N steps, without gradient."""

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
        """Encode the listings `rows`; each process encodes a part."""
        part = encode_listings(model, inputs, rows[processes.mine(len(rows))], dtype=dtype)
        return cls(rows, processes.gather(place(part, device_of(model)), len(rows)))

    @property
    def mean_cosine(self) -> float:
        """Return the mean cosine over all pairs of listings; 1 if all embeddings are equal."""
        return float(self.vectors.mean(0).square().sum())


def steps_between(inputs: Inputs, rows: np.ndarray, step_tokens: float, at_least: int) -> int:
    """Return the number of steps between two encodings of the listings `rows`, at least `at_least`.

    Training on a token costs about as much as encoding three, so encoding a bank with as many tokens as all of these steps
    (`step_tokens` each) takes a quarter of the time.
    """
    return max(at_least, math.ceil(inputs.listing_lengths(rows).sum() / step_tokens))
