"""EfficientNet-Lite0 in two parts: a frozen trunk, and its last stages, which train with the transformer (end to end).

Batch norm is folded into the convolutions when the weights are read, so that its statistics stay those of ImageNet.
A run's trained stages are in its `model.safetensors`; with the frozen trunk they form a photo encoder with a new name. The
feature maps of the trunk are computed once, and cached next to the market's photo vectors.
"""

import hashlib
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.encoder import LITE0_SIZE, PhotoEncoder, load_frozen
from listing_vibes.features.photos.trainable import LITE0, PREFIX, STORED
from listing_vibes.features.photos.vectors import PhotoPass, cache_root, photo_paths
from listing_vibes.features.vector_cache import VectorCache
from listing_vibes.market.market import Market
from listing_vibes.progress import Report, silent


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


def load_photo_encoder(
    name: str = "auto", weights: Path | None = None, device: str | None = None
) -> PhotoEncoder:
    """Load a photo encoder that is available locally.

    >>> from PIL import Image
    >>> encoder = load_photo_encoder("tf_efficientnet_lite0")
    >>> encoder.encode([Image.new("RGB", (640, 480))]).shape
    (1, 1280)

    Args:
        name: "auto" (EVA-02 where its weights are available, otherwise the offline default), any timm name, or
            the full name of a loaded encoder.
        weights: a weights file (.safetensors, or .pth without code) for that model; of an encoder that a run has trained the
            `model.safetensors` of that run.

    Raises:
        VibesError: the name is unknown, the weights are not available, or a file does not fit the model.
    """
    stages = STORED.fullmatch(name)
    if stages is None:
        return load_frozen(name, weights, device)
    if weights is None:
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
