"""End-to-end training of the last stages of EfficientNet-Lite0 together with the transformer.

The encoder has two parts: a frozen trunk, and its last stages. The feature maps of the trunk are computed once and cached next to the
market's photo vectors, so a step only computes the last stages, forward and backward, for `PHOTOS` photos. The vectors of all other
photos are those of the last `encode_all`, which happens at the same steps as the encoding of the item bank. Batch norm is folded into
the convolutions when the weights are read, so that its statistics stay those of ImageNet. A run's trained stages are in its
`model.safetensors`; with the frozen trunk they form a photo encoder with a new name.
"""

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from listing_vibes.device import mixed_precision
from listing_vibes.errors import VibesError
from listing_vibes.features.content_tokens import photos_used
from listing_vibes.features.feature_config import LITE0, PREFIX, STORED
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.photos.photo_encoder import LITE0_SIZE, PhotoEncoder, load_frozen
from listing_vibes.features.photos.photo_vectors import (
    PhotoPass,
    PhotoVectors,
    cache_root,
    embed_photos,
    photo_paths,
)
from listing_vibes.features.vector_cache import VectorCache
from listing_vibes.market.market import Market
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Report, silent
from listing_vibes.training.distributed import Processes
from listing_vibes.training.step import FrozenPhotos, with_photos

#: Photos per batch without gradient, and the maximum number of photos with gradient per step.
CHUNK, PHOTOS = 32, 128


class PhotoTail(nn.Module):
    """The last `stages` stages of Lite0, its head convolution and pooling: maps (N, C, h, w) to vectors (N, 1280).

    One photo of 288 x 288 costs in million multiply-adds, forward (backward takes twice that):
    82 for one stage (maps 192 x 9 x 9), 233 for two (112 x 18 x 18), 375 for three (80 x 18 x 18).
    """

    def __init__(self, model: Any, stages: int) -> None:
        super().__init__()
        self.stages = stages
        self.blocks = nn.Sequential(*list(model.blocks)[-stages:])
        self.head: nn.Conv2d = model.conv_head
        self.act: nn.Module = model.bn2
        self.pool: nn.Module = model.global_pool

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, C, h, w) to (N, 1280), the output of the full encoder."""
        maps = maps.contiguous(memory_format=torch.channels_last)
        return cast(torch.Tensor, self.pool(self.act(self.head(self.blocks(maps)))))

    @property
    def name(self) -> str:
        """The name of the encoder with these weights: vectors of two trainings are never compared."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return f"{LITE0}-tail{self.stages}-{LITE0_SIZE[0]}-{digest.hexdigest()[:8]}"

    def encoder(self) -> PhotoEncoder:
        """Return a frozen photo encoder with a copy of these weights."""
        return _encoder(self.stages, {name: tensor.detach() for name, tensor in self.state_dict().items()})


class _Trunk(nn.Module):
    """The stages before a `PhotoTail`, with the interface of timm's models."""

    def __init__(self, model: Any, stages: int) -> None:
        super().__init__()
        self.body = nn.Sequential(model.conv_stem, model.bn1, *list(model.blocks)[:-stages])

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, 3, H, W) to feature maps (N, C, h, w)."""
        return cast(torch.Tensor, self.body(images))

    def forward_head(self, maps: torch.Tensor, pre_logits: bool = True) -> torch.Tensor:
        """Return the maps unchanged."""
        return maps.contiguous()


def load_trunk(stages: int) -> tuple[PhotoEncoder, tuple[int, int, int]]:
    """Return the frozen stages before the last `stages` as an encoder of flat maps (N, C*h*w), and their shape (C, h, w)."""
    frozen = load_frozen(LITE0, device="cpu")
    trunk = _Trunk(frozen.model, stages).eval()
    with torch.inference_mode():
        shape = trunk.forward_features(torch.zeros(1, 3, *frozen.size)).shape[1:]
    name = f"{frozen.name}@before-{stages}"
    return PhotoEncoder(trunk, name, frozen.size, (0.5,) * 3, (0.5,) * 3), (shape[0], shape[1], shape[2])


def load_trained(name: str, weights: Path | None = None, device: str | None = None) -> PhotoEncoder:
    """Load the photo encoder `name` that a run trained, from the `model.safetensors` of that run.

    Raises:
        VibesError: the weights are not given, or do not fit the encoder.
    """
    stages = STORED.fullmatch(name)
    if weights is None or stages is None:
        raise VibesError(
            f"The photo encoder {name!r} was trained by a run; give that run's model.safetensors with --weights."
        )
    try:
        with safe_open(weights, "pt") as stored:
            keys = [key for key in stored.keys() if key.startswith(PREFIX)]  # noqa: SIM118
            state = {key.removeprefix(PREFIX): stored.get_tensor(key) for key in keys}
        encoder = _encoder(int(stages[1]), state, device)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise VibesError(
            f"{weights} does not hold the photo encoder {name!r} ({reason}); give the model.safetensors of the run "
            "that trained it."
        ) from error
    encoder.check_name(name)
    return encoder


def _encoder(stages: int, state: dict[str, torch.Tensor], device: str | None = None) -> PhotoEncoder:
    frozen = load_frozen(LITE0, device="cpu")
    tail = PhotoTail(frozen.model, stages)  # It shares its layers with that model, so loading updates both.
    tail.load_state_dict(state)
    return PhotoEncoder(frozen.model, tail.name, frozen.size, (0.5,) * 3, (0.5,) * 3, device)


def photo_maps(market: Market, rows: np.ndarray, stages: int, report: Report = silent) -> np.ndarray:
    """Return (P, C, h, w) float16 feature maps before the last `stages` stages, for the photos `rows` (P,) of the market's table.

    Equal photos are computed once and cached (31 kB a photo for one stage, 73 for two, 52 for three). The array is
    memory-mapped from an unnamed file in that cache, so that it need not fit into memory, and is removed with the process.

    Raises:
        VibesError: a photo cannot be read any more, or the cache cannot be written.
    """
    encoder, shape = load_trunk(stages)
    paths, root = photo_paths(market.photos.iloc[rows]), cache_root(market.path)
    job = PhotoPass(market.path, VectorCache(root, encoder.name, encoder.width), encoder)
    job.run(paths, report)
    if job.broken:
        path, reason = next(iter(job.broken.items()))
        raise VibesError(
            f"The photo {path} of {market.path} has a vector but cannot be read any more: {reason}; restore it, or "
            f"run `vibes embed {market.path} NEW_RUN`."
        )
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=root) as file:  # the map keeps it open
        maps = np.memmap(file, np.float16, "w+", shape=(len(rows), encoder.width))
    job.gather(paths, maps)
    return maps.reshape(len(rows), *shape)


def cache_vectors(market: Market, rows: np.ndarray, stages: int, encoder: str, vectors: np.ndarray) -> None:
    """Cache the vectors (P, width) of the photos `rows` (P,) by the trained encoder of this name.

    Photos with feature maps in `photo_maps` then need not pass the full encoder again; one that changed since has to.
    """
    paths, root = photo_paths(market.photos.iloc[rows]), cache_root(market.path)
    job = PhotoPass(market.path, VectorCache(root, load_trunk(stages)[0].name, None))
    job.run(paths)
    known = {job.keys[path]: vector for path, vector in zip(paths, vectors, strict=True) if path in job.keys}
    VectorCache(root, encoder, vectors.shape[1]).write(known)


@dataclass(eq=False)
class TrainedPhotos(FrozenPhotos):
    """The feature maps of all photos that the model reads, and their vectors of the last `encode_all`."""

    maps: np.ndarray  # (P, C, h, w) float16, in the order of `Features.photo`
    tail: PhotoTail  # the stages before training
    mean: Tensor  # (1280,), of the fitted reduction to the model's width
    matrix: Tensor  # (1280, d)
    per_step: int
    dtype: torch.dtype | None  # type of matrix products
    table: Tensor | None = None  # (P, d) float32, on the device of the training
    encoded_at: int = -1  # the step of the last `encode_all`

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
        tail, rows = tail_of(model), processes.mine(len(self.maps))
        parts = [self.vectors(tail, rows[first : first + CHUNK]) for first in range(0, len(rows), CHUNK)]
        vectors = torch.cat(parts) if parts else self.matrix.new_zeros((0, self.matrix.shape[1]))
        return processes.gather(vectors.to(processes.device), len(self.maps))

    def attach(self, model: ListingModel) -> None:
        model.photo_blocks = self.tail

    def renew(self, model: ListingModel, processes: Processes, step: int, every: int) -> None:
        if self.table is None or step - self.encoded_at >= every:
            self.table, self.encoded_at = self.encode_all(model, processes), step

    def current(self, inputs: Inputs) -> Inputs:
        return inputs if self.table is None else with_photos(inputs, self.table)

    def encoded(self, model: ListingModel, inputs: Inputs, processes: Processes) -> Inputs:
        return with_photos(inputs, self.encode_all(model, processes))

    def in_step(
        self, model: ListingModel, inputs: Inputs, table: Tensor, listings: np.ndarray, seed: list[int]
    ) -> Tensor:
        """Return the vectors (P, d) of a step, with gradient for some photos of `listings` (n,)."""
        assert self.table is not None
        photos = photos_of(inputs.features, listings)
        if len(photos) > self.per_step:
            photos = np.sort(np.random.default_rng(seed).choice(photos, self.per_step, replace=False))
        if not len(photos):
            return self.table
        rows = torch.from_numpy(photos.astype(np.int64)).to(self.table.device)
        return self.table.index_copy(0, rows, self.vectors(tail_of(model), photos))

    def state(self) -> dict[str, Tensor]:
        encoded_at = torch.tensor(self.encoded_at)
        return {} if self.table is None else {"photos": self.table, "photos encoded at": encoded_at}

    def restore(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        if "photos" in tensors:
            self.table, self.encoded_at = tensors["photos"].to(device), int(tensors["photos encoded at"])

    def embed(
        self,
        market: Market,
        featurizer: Featurizer,
        model: ListingModel,
        photos: PhotoVectors | None,
        report: Report = silent,
    ) -> tuple[Featurizer, PhotoVectors | None]:
        assert photos is not None
        tail = tail_of(model)
        encoder, rows = tail.encoder(), photos_used(market, featurizer.config, photos)
        cache_vectors(market, rows, tail.stages, encoder.name, self.pooled_all(tail))
        vectors = embed_photos(market.path, market.photos, encoder, report=report)
        return replace(featurizer, photo_encoder=encoder.name), vectors


def tail_of(model: ListingModel) -> PhotoTail:
    """Return the trained photo encoder stages of a model."""
    return cast(PhotoTail, model.photo_blocks)


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
) -> TrainedPhotos:
    """Return the feature maps for an end-to-end training, with the stages that have ImageNet weights.

    Raises:
        VibesError: the market has no photos, they have another encoder, or the recipe freezes the listings.
    """
    stages, training = settings.features.photo_train_blocks, settings.training
    option = f"features.photo_train_blocks = {stages}"
    if training.recipe == "two-stage":
        raise VibesError(
            f"{option} trains the photo encoder until the end, but training.recipe = 'two-stage' freezes listings before; use single-stage."
        )
    if photos is None or featurizer.photo is None:
        raise VibesError(f"{market.path} has no photos that {option} could train on; set it to 0.")
    frozen = load_frozen(LITE0, device="cpu")
    if photos.encoder != frozen.name:
        raise VibesError(
            f"{option} trains {frozen.name} alone, the photo vectors are of {photos.encoder}; leave out --encoder, or set it to 0."
        )
    maps = photo_maps(market, photos_used(market, settings.features, photos), stages, report)
    mean, matrix = (torch.from_numpy(array) for array in (featurizer.photo.mean, featurizer.photo.matrix))
    tail = PhotoTail(frozen.model, stages).requires_grad_(True)
    return TrainedPhotos(maps, tail, mean, matrix, PHOTOS, training.dtype)
