"""The photo vectors of a training: by default those of a frozen encoder, as they are."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.market.market import Market
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.model import ListingModel
from listing_vibes.progress import Report, silent
from listing_vibes.training.distributed import Processes


class FrozenPhotos:
    """Photo vectors that training leaves as they are; a source that trains its encoder overrides all methods."""

    def attach(self, model: ListingModel) -> None:
        """Give `model` the parts of the encoder that train with it."""

    def renew(self, model: ListingModel, processes: Processes, step: int, every: int) -> None:
        """Encode all photos by the current weights if `every` steps have passed since the last time."""

    def current(self, inputs: Inputs) -> Inputs:
        """Return the inputs with the vectors of the last `renew`."""
        return inputs

    def encoded(self, model: ListingModel, inputs: Inputs, processes: Processes) -> Inputs:
        """Return the inputs with the vectors by the weights of `model`."""
        return inputs

    def in_step(
        self, model: ListingModel, inputs: Inputs, table: Tensor, listings: np.ndarray, seed: list[int]
    ) -> Tensor:
        """Return the vectors (P, d) of a step, for the `listings` (n,) with gradient where the encoder trains."""
        return table

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint stores."""
        return {}

    def restore(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Restore `state`."""

    def embed(
        self,
        market: Market,
        featurizer: Featurizer,
        model: ListingModel,
        photos: PhotoVectors | None,
        report: Report = silent,
    ) -> tuple[Featurizer, PhotoVectors | None]:
        """Return the photo vectors of the market by the trained encoder, and the featurizer that reads them."""
        return featurizer, photos


def with_photos(inputs: Inputs, table: Tensor) -> Inputs:
    """Return the inputs with the photo vectors `table` (P, d)."""
    return replace(inputs, features=replace(inputs.features, photo=table.cpu().numpy()))
