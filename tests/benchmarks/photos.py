"""Photos a second by the offline encoder: timm eager beside ours, on all cores, and the whole way from files to vectors.

    python -m tests.benchmarks.photos MARKET [--photos 64] [--threads N] [--repeat 3]

The same decoded photos of MARKET, the same weights. timm: the model as `timm.create_model` gives it, float32, eager,
batches of 32. The sides take turns; the best turn counts, by the clock on the wall and by the process's CPU seconds
(which others on the machine disturb less). `files` reads, hashes, decodes and encodes into an empty cache.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from tests.benchmarks.arguments import parse_arguments
from tests.helpers.machine import machine

from listing_vibes.features.photos import photo_encoder
from listing_vibes.features.photos.photo_encoder import LITE0, load_photo_encoder
from listing_vibes.features.photos.photo_vectors import embed_photos
from listing_vibes.market.market import Market
from listing_vibes.market.photo_decoding import open_photo

BATCH = 32


def measure(path: Path, photos: int, threads: int, repeat: int) -> dict[str, object]:
    """Photos/s of every side, and the least cosine between the vectors of timm and ours."""
    torch.set_num_threads(threads)
    market = Market.open(path)
    rows = market.photos.iloc[np.linspace(0, len(market.photos) - 1, photos).astype(int)]
    encoder = load_photo_encoder(LITE0, device="cpu")
    whole = timm.create_model(LITE0, pretrained=False).eval()
    # Ours folds the batch norms into the convolutions: the model of the same weights, as it comes.
    whole = _as_it_comes(whole)
    pixels = np.stack(
        [encoder.prepare(_decode((market.path / name).read_bytes(), encoder.size)) for name in rows["path"]]
    )

    @torch.inference_mode()
    def theirs() -> np.ndarray:
        parts = []
        for start in range(0, len(pixels), BATCH):
            batch = torch.from_numpy(pixels[start : start + BATCH]).permute(0, 3, 1, 2).float() / 127.5 - 1
            parts.append(whole.forward_head(whole.forward_features(batch), pre_logits=True).numpy())
        return np.concatenate(parts)

    def ours() -> np.ndarray:
        return np.concatenate(
            [encoder.encode(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
        )

    def files() -> np.ndarray:
        with tempfile.TemporaryDirectory() as cache:
            return embed_photos(market.path, rows, encoder, cache=Path(cache)).vectors

    for _ in range(photo_encoder.MANY // len(pixels) + 1):
        ours()  # converts the model in the end
    sides: dict[str, Callable[[], np.ndarray]] = {"timm eager": theirs, "ours": ours, "files": files}
    wall, cpu, vectors = dict.fromkeys(sides, np.inf), dict.fromkeys(sides, np.inf), {}
    for _ in range(repeat):
        for name, side in sides.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            vectors[name] = side()
            wall[name] = min(wall[name], time.perf_counter() - start)
            cpu[name] = min(cpu[name], time.process_time() - start_cpu)
    one, two = vectors["timm eager"], vectors["ours"]
    cosine = (one * two).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)
    return {
        "machine": machine(),
        "threads": threads,
        "engine": "OpenVINO" if encoder._engine is not None else "torch",
        "least_cosine": float(cosine.min()),
        "sides": {
            name: {
                "photos_per_s": photos / wall[name],
                "photos_per_cpu_s": photos / cpu[name],
                "times_timm": wall["timm eager"] / wall[name],
                "times_timm_cpu": cpu["timm eager"] / cpu[name],
            }
            for name in sides
        },
    }


def _decode(data: bytes, size: tuple[int, int]) -> Image.Image:
    with open_photo(data, size) as image:
        return image


def _as_it_comes(model: torch.nn.Module) -> torch.nn.Module:
    """The package's weights in timm's model, batch norms left alone."""
    spec = photo_encoder.importlib.util.find_spec(photo_encoder.LITE0_PACKAGE)
    assert spec is not None and spec.origin is not None
    state = torch.load(Path(spec.origin).parent / photo_encoder.LITE0_FILE, weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
    return model


def main() -> None:
    given = parse_arguments(__doc__, market=Path, photos=64, threads=os.cpu_count() or 1, repeat=3)
    result = measure(given.market, given.photos, given.threads, given.repeat)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
