"""A photo encoder that is trained on the market only: a variational autoencoder of its photos.

Kingma & Welling 2014 (arXiv 1312.6114), in the convolutional form of latent diffusion (Rombach et al. 2022, arXiv
2112.10752) as in `diffusers`, small enough for a CPU. It is trained once and cached next to the market; the
vector of a photo is the mean of its latent, pooled to a coarse grid.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from listing_vibes.device import device, device_of, place, seeded
from listing_vibes.errors import VibesError, needs
from listing_vibes.features.photos.photo_vectors import Encoder, resize_photo
from listing_vibes.market import photo_files
from listing_vibes.market.caches import market_cache
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.market.photo_decoding import open_photo
from listing_vibes.market.photo_files import PhotoProblem
from listing_vibes.progress import Counted, Report, silent

VAE = "vae"
SIZE = 64  # pixels per side that the whole photo is resized to
CHANNELS, LATENT = (16, 32, 64, 64), 16  # three halvings: 64 pixels to a latent of 16 x 8 x 8
GRID = 4  # the latent's mean is pooled to 4 x 4: (256,)
STEPS, BATCH, RATE = 600, 16, 1e-3
KL_WEIGHT = 1e-3  # weight of a latent number's divergence relative to a pixel's absolute error
SAMPLE = 10_000  # the most photos in training


class VaeEncoder(Encoder):
    """The encoder of a trained autoencoder."""

    width = LATENT * GRID * GRID
    size = (SIZE, SIZE)

    def __init__(self, model: Any, name: str) -> None:
        self.device = device()
        self.model, self.name = model.eval().requires_grad_(False).to(self.device), name

    @torch.inference_mode()
    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode (N, SIZE, SIZE, 3) uint8 as (N, width) float32."""
        if not len(images):
            return np.zeros((0, self.width), np.float32)
        latent = self.model.encode(_pixels(images, self.device)).latent_dist.mean  # (N, LATENT, 8, 8)
        return F.adaptive_avg_pool2d(latent, GRID).flatten(1).float().cpu().numpy()


def market_vae(
    market_path: Path,
    photos: pd.DataFrame,
    name: str = VAE,
    weights: Path | None = None,
    report: Report = silent,
) -> VaeEncoder:
    """Return the autoencoder of a market: the cached one, else one trained on `photos`.

    Args:
        name: "vae", or the full name that a run stored; one of another market is not trained but has to be given.
        weights: the file of another market's autoencoder, `.cache/vae/vae.safetensors` in its folder.

    Raises:
        VibesError: diffusers is not installed, no photo can be read, or the weights are not available or damaged.
    """
    file = weights or market_cache(market_path) / "vae" / "vae.safetensors"
    if not file.is_file():
        if weights is not None or name != VAE:
            raise VibesError(
                f"The autoencoder '{name}' is not at {file}; give the file of its training market with --weights."
            )
        _train(file, _decode_sample(market_path, photos), report)
    model = _model()
    try:
        model.load_state_dict(load_file(file))
    except (SafetensorError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise VibesError(
            f"{file} does not hold an autoencoder of this version ({reason}); delete it."
        ) from error
    encoder = VaeEncoder(model, f"{VAE}-{SIZE}-{file_sha256(file)[:8]}")
    encoder.check_name(name, VAE)
    return encoder


def _model() -> Any:
    with needs("The photo encoder 'vae'", "vae"):
        from diffusers import AutoencoderKL
    stages = len(CHANNELS)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        block_out_channels=CHANNELS,
        latent_channels=LATENT,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=SIZE,
    )


def _pixels(images: np.ndarray, where: torch.device) -> torch.Tensor:
    """(N, SIZE, SIZE, 3) uint8 -> (N, 3, SIZE, SIZE) float32 in -1..1."""
    batch = place(np.require(images, requirements=["C", "W"]), where).permute(0, 3, 1, 2).float()
    return batch / 127.5 - 1


def _decode_sample(market: Path, photos: pd.DataFrame) -> np.ndarray:
    """Return (N, SIZE, SIZE, 3) uint8: at most `SAMPLE` randomly drawn photos, without broken ones."""
    paths = sorted({path for path in photos[C.PATH] if isinstance(path, str)})
    if len(paths) > SAMPLE:
        paths = [paths[row] for row in np.random.default_rng(0).permutation(len(paths))[:SAMPLE]]
    pictures = []
    for path in paths:
        with suppress(PhotoProblem):  # `embed_photos` names each of them
            file = photo_files.locate(market, path)
            with open_photo(photo_files.read(file), VaeEncoder.size) as image:
                pictures.append(resize_photo(image, VaeEncoder.size))
    if not pictures:
        raise VibesError(
            f"{market} has no readable photo to train 'vae' on; check the photos with `vibes check {market}`."
        )
    return np.stack(pictures)


def _train(file: Path, pictures: np.ndarray, report: Report) -> None:
    """Train and save the autoencoder; an interrupted training restarts."""
    rng = np.random.default_rng(0)
    with seeded(0):
        model = _model().train().to(device())
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        rates = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / 50) * (1 - 0.9 * step / STEPS)
        )
        for step in range(STEPS):
            batch = pictures[rng.integers(len(pictures), size=BATCH)]
            mirrored = rng.random(BATCH) < 0.5
            batch = np.where(mirrored[:, None, None, None], batch[:, :, ::-1], batch)
            loss_of(model, _pixels(batch, device_of(model))).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            rates.step()
            report(Counted("training the autoencoder", step + 1, STEPS))
    with atomic_path(file) as temporary:
        save_file({k: v.detach().contiguous().cpu() for k, v in model.state_dict().items()}, temporary)


def loss_of(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute error of the pixels (N, 3, S, S) plus the weighted divergence from the normal prior."""
    latent = model.encode(pixels).latent_dist
    again = model.decode(latent.sample()).sample  # (N, 3, S, S)
    return cast(
        torch.Tensor, F.l1_loss(again, pixels) + KL_WEIGHT * latent.kl().mean() / latent.mean[0].numel()
    )
