"""The market's own autoencoder: trained once, seeded, and an encoder like any other."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.features.photos import vae
from listing_vibes.features.photos.vae import SIZE, is_vae, market_vae
from listing_vibes.features.photos.vectors import embed_photos

pytest.importorskip("diffusers")
STEPS = 3


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(vae, "BATCH", 4)


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """Eight photos, half of them bright, and one that is broken."""
    folder = tmp_path_factory.mktemp("market")
    (folder / "photos").mkdir()
    paths = []
    for number in range(8):
        rng = np.random.default_rng(number)
        shade = 40 if number % 2 else 200
        pixels = np.clip(rng.normal(shade, 20, (48, 80, 3)), 0, 255).astype(np.uint8)
        paths.append(f"photos/{number}.png")
        Image.fromarray(pixels).save(folder / paths[-1])
    (folder / "photos" / "broken.png").write_bytes(b"no image")
    paths.append("photos/broken.png")
    return folder, pd.DataFrame({"path": paths})


def copy_of(market, tmp_path):
    folder, photos = market
    shutil.copytree(folder / "photos", tmp_path / "photos")
    return tmp_path, photos


@pytest.mark.slow
def test_it_is_trained_once_and_gives_finite_vectors_that_tell_photos_apart(market, tmp_path, monkeypatch):
    folder, photos = copy_of(market, tmp_path)
    seen = []
    encoder = market_vae(folder, photos, steps=STEPS, report=lambda one: seen.append((one.done, one.total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert is_vae(encoder.name) and encoder.name.startswith(f"vae-{SIZE}-")
    vectors = embed_photos(folder, photos, encoder)
    assert vectors.vectors.shape == (9, 256) and vectors.ok.tolist() == [True] * 8 + [False]
    assert len({row.tobytes() for row in vectors.vectors[:8]}) == 8
    monkeypatch.setattr(vae, "_train", None)  # training again would fail
    again = market_vae(folder, photos, encoder.name)
    assert again.name == encoder.name
    assert not list((folder / ".cache" / "vae").glob("training*"))


@pytest.mark.slow
def test_the_vector_is_the_pooled_mean_of_the_latent(market, tmp_path):
    folder, photos = copy_of(market, tmp_path)
    encoder = market_vae(folder, photos, steps=1)
    pixels = encoder.prepare(Image.open(folder / "photos" / "0.png"))
    assert pixels.shape == (SIZE, SIZE, 3)
    scaled = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        latent = encoder.model.encode(scaled).latent_dist.mean[0]  # (16, 8, 8)
    expected = latent.reshape(16, 4, 2, 4, 2).mean(dim=(2, 4)).flatten()
    np.testing.assert_allclose(encoder.encode(pixels[None])[0], expected, atol=1e-5)
    assert encoder.encode(np.zeros((0, SIZE, SIZE, 3), np.uint8)).shape == (0, 256)


@pytest.mark.slow
def test_a_training_that_is_stopped_leaves_nothing_and_starts_again(market, tmp_path):
    folder, photos = copy_of(market, tmp_path)

    def stop(update):
        if update.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        market_vae(folder, photos, steps=STEPS, report=stop)
    assert not list(folder.rglob("*.safetensors"))
    name = market_vae(folder, photos, steps=STEPS).name
    shutil.rmtree(folder / ".cache")
    assert market_vae(folder, photos, steps=STEPS).name == name


@pytest.mark.slow
def test_what_is_not_at_hand_is_asked_for(market, tmp_path):
    folder, photos = copy_of(market, tmp_path)
    with pytest.raises(VibesError, match="--weights"):
        market_vae(folder, photos, "vae-64-01234567")
    with pytest.raises(VibesError, match="--weights"):
        market_vae(folder, photos, weights=tmp_path / "none.safetensors")
    market_vae(folder, photos, steps=1)
    with pytest.raises(VibesError, match="not 'vae-64-01234567'"):
        market_vae(folder, photos, "vae-64-01234567")
    file = folder / ".cache" / "vae" / "vae.safetensors"
    os.truncate(file, 100)
    with pytest.raises(VibesError, match="delete it"):
        market_vae(folder, photos)
    with pytest.raises(VibesError, match="no readable photo"):
        market_vae(tmp_path / "empty", photos)
