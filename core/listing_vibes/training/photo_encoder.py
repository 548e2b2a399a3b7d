"""End-to-end training of the last stages of a photo encoder together with the transformer.

The feature maps of the frozen trunk are computed once, so a step only computes the last stages, forward and backward, for
`PHOTOS` photos. The vectors of all other photos are those of the last `encode_all`, which happens at the same steps as the encoding of
the item bank.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from listing_vibes.device import mixed_precision
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.photos.photo_tokens import photos_used
from listing_vibes.features.photos.trainable import LITE0
from listing_vibes.features.photos.vectors import PhotoVectors, embed_photos
from listing_vibes.market.market import Market
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Report, silent
from listing_vibes.training.distributed import Processes

if TYPE_CHECKING:
    from listing_vibes.features.photos.tail import PhotoTail

#: Photos per batch without gradient, and the maximum number of photos with gradient per step.
CHUNK, PHOTOS = 32, 128


@dataclass(eq=False)
class TrainedPhotos:
    """The feature maps of all photos that the model reads, and their vectors of the last `encode_all`."""

    maps: np.ndarray  # (P, C, h, w) float16, in the order of `Features.photo`
    mean: Tensor  # (1280,), of the fitted reduction to the model's width
    matrix: Tensor  # (1280, d)
    per_step: int
    dtype: torch.dtype | None  # type of matrix products
    table: Tensor | None = None  # (P, d) float32, on the device of the training

    def pooled(self, tail: PhotoTail, rows: np.ndarray, dtype: torch.dtype | None = None) -> Tensor:
        """Return the pooled features (n, 1280) float32 of the photos `rows` (n,) by the stages `tail`."""
        device = tail.head.weight.device
        maps = torch.from_numpy(self.maps[rows]).to(device).float()  # (n, C, h, w)
        with mixed_precision(dtype, device):
            return cast(Tensor, tail(maps).float())

    def vectors(self, tail: PhotoTail, rows: np.ndarray) -> Tensor:
        """Return the vectors (n, d) float32, reduced to the model's width, with gradient to the stages."""
        pooled = self.pooled(tail, rows, self.dtype)
        return (pooled - self.mean.to(pooled.device)) @ self.matrix.to(pooled.device)

    @torch.no_grad()
    def pooled_all(self, tail: PhotoTail) -> np.ndarray:
        """Return the pooled features (P, 1280) float32 of all photos, in full precision."""
        rows = np.arange(len(self.maps))
        parts = [self.pooled(tail, rows[first : first + CHUNK]) for first in range(0, len(rows), CHUNK)]
        return torch.cat(parts).cpu().numpy()

    @torch.no_grad()
    def encode_all(self, model: ListingModel, processes: Processes) -> Tensor:
        """Return all vectors (P, d) by the model's current stages; each process computes a part."""
        tail, mine = tail_of(model), processes.mine(len(self.maps))
        parts = [self.vectors(tail, mine[first : first + CHUNK]) for first in range(0, len(mine), CHUNK)]
        vectors = torch.cat(parts) if parts else self.matrix.new_zeros((0, self.matrix.shape[1]))
        return processes.gather(vectors.to(processes.device), len(self.maps))

    def inputs(self, inputs: Inputs, table: Tensor) -> Inputs:
        """Return the inputs with the vectors of `table`."""
        return replace(inputs, features=replace(inputs.features, photo=table.cpu().numpy()))

    def in_step(
        self, model: ListingModel, features: Features, listings: np.ndarray, rng: np.random.Generator
    ) -> Tensor:
        """Return the vectors (P, d) of a step, with gradient for some photos of `listings` (n,)."""
        assert self.table is not None
        shown = photos_of(features, listings)
        if len(shown) > self.per_step:
            shown = np.sort(rng.choice(shown, self.per_step, replace=False))
        if not len(shown):
            return self.table
        rows = torch.from_numpy(shown.astype(np.int64)).to(self.table.device)
        return self.table.index_copy(0, rows, self.vectors(tail_of(model), shown))


def tail_of(model: ListingModel) -> PhotoTail:
    """Return the trained photo encoder stages of a model."""
    return cast("PhotoTail", model.photo_blocks)


def photos_of(features: Features, listings: np.ndarray) -> np.ndarray:
    """Return the distinct rows (n,) of `features.photo` of the listings (m,), in order."""
    tokens, shows = features.tokens, np.zeros(features.tokens.listings, bool)
    shows[listings] = True
    photo = tokens.photo[np.repeat(shows, np.diff(tokens.offset))]
    return np.unique(photo[photo >= 0])


def trained_photos(
    market: Market,
    settings: Resolved,
    featurizer: Featurizer,
    photos: PhotoVectors | None,
    report: Report = silent,
) -> tuple[TrainedPhotos, PhotoTail]:
    """Return the feature maps for an end-to-end training, and the stages with ImageNet weights.

    Raises:
        VibesError: the market has no photos, they have another encoder, or the recipe freezes the listings.
    """
    from listing_vibes.features.photos.tail import PhotoTail, load_photo_encoder, photo_maps

    stages, training = settings.features.photo_train_blocks, settings.training
    option = f"features.photo_train_blocks = {stages}"
    if training.recipe == "two-stage":
        raise VibesError(
            f"{option} trains the photo encoder until the end, but training.recipe = 'two-stage' freezes listings before; use single-stage."
        )
    if photos is None or featurizer.photo is None:
        raise VibesError(f"{market.path} has no photos that {option} could train on; set it to 0.")
    frozen = load_photo_encoder(LITE0, device="cpu")
    if photos.encoder != frozen.name:
        raise VibesError(
            f"{option} trains {frozen.name} alone, the photo vectors are of {photos.encoder}; leave out --encoder, or set it to 0."
        )
    maps = photo_maps(market, photos_used(market, settings.features, photos), stages, report)
    mean, matrix = (torch.from_numpy(array) for array in (featurizer.photo.mean, featurizer.photo.matrix))
    tail = PhotoTail(frozen.model, stages).requires_grad_(True)
    return TrainedPhotos(maps, mean, matrix, PHOTOS, training.dtype), tail


def embed_with_trained(
    market: Market,
    featurizer: Featurizer,
    model: ListingModel,
    trained: TrainedPhotos,
    frozen: PhotoVectors,
    report: Report = silent,
) -> tuple[Featurizer, PhotoVectors]:
    """Return the photo vectors of the market by the trained encoder, and the featurizer that uses them."""
    from listing_vibes.features.photos.tail import cache_vectors

    tail = tail_of(model)
    encoder = tail.encoder()
    rows = photos_used(market, featurizer.config, frozen)
    cache_vectors(market, rows, tail.stages, encoder.name, trained.pooled_all(tail))
    vectors = embed_photos(market.path, market.photos, encoder, report=report)
    return replace(featurizer, photo_encoder=encoder.name), vectors
