"""The item bank: embeddings without gradient of every listing with a training event."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.model.encoder import encode_listings
from core.model.inputs import Inputs
from core.model.listing_model import ListingModel


@dataclass(eq=False)
class ItemBank:
    """Embeddings of all warm listings (listings with a training event), re-encoded every N steps, without gradient."""

    rows: np.ndarray  # (W,) listing rows
    vectors: torch.Tensor  # (W, d) float32

    @classmethod
    def encode(
        cls, model: ListingModel, inputs: Inputs, rows: np.ndarray, width: int, **options: Any
    ) -> "ItemBank":
        """Encode the listings `rows` afresh."""
        vectors = torch.from_numpy(encode_listings(model, inputs, rows, width, **options))
        return cls(rows, vectors.to(options.get("device", "cpu")))

    @property
    def mean_cosine(self) -> float:
        """Mean cosine of two listings, those of one with itself included: 1 where all embeddings are the same."""
        return float(self.vectors.mean(0).square().sum())
