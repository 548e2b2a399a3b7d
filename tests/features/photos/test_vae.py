"""The market's autoencoder: trained once, seeded, and an encoder like any other."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.photo_vectors import embed_photos
from listing_vibes.variants import vae
from listing_vibes.variants.vae import SIZE, market_vae

pytest.importorskip("diffusers")
PHOTOS = pd.DataFrame({"path": [*(f"photos/{number}.png" for number in range(8)), "photos/broken.png"]})


@pytest.fixture
def market(tmp_path, monkeypatch):
    """Eight photos, half of them bright, and one that is broken."""
    monkeypatch.setattr(vae, "BATCH", 4)
    monkeypatch.setattr(vae, "STEPS", 3)
    (tmp_path / "listings.csv").write_text("listing_id\n1\n2\n")  # so that its cache is in the folder
    (tmp_path / "photos").mkdir()
    for number in range(8):
        rng = np.random.default_rng(number)
        pixels = np.clip(rng.normal(40 if number % 2 else 200, 20, (48, 80, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / PHOTOS["path"][number])
    (tmp_path / "photos" / "broken.png").write_bytes(b"no image")
    return tmp_path


@pytest.mark.slow
def test_it_is_trained_once_by_seed_and_its_vectors_are_the_pooled_latent(market, monkeypatch):
    seen: list = []
    encoder = market_vae(market, PHOTOS, report=seen.append)
    assert [(one.done, one.total) for one in seen] == [(1, 3), (2, 3), (3, 3)]
    assert encoder.name.startswith(f"vae-{SIZE}-")
    vectors = embed_photos(market, PHOTOS, encoder)
    assert vectors.vectors.shape == (9, 256) and vectors.ok.tolist() == [True] * 8 + [False]
    assert len({row.tobytes() for row in vectors.vectors[:8]}) == 8
    pixels = encoder.prepare(Image.open(market / "photos" / "0.png"))
    scaled = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        latent = encoder.model.encode(scaled).latent_dist.mean[0]  # (16, 8, 8)
    expected = latent.reshape(16, 4, 2, 4, 2).mean(dim=(2, 4)).flatten()
    np.testing.assert_allclose(encoder.encode(pixels[None])[0], expected, atol=1e-5)
    with monkeypatch.context() as patch:
        patch.setattr(vae, "_train", None)  # training again would fail
        assert market_vae(market, PHOTOS, encoder.name).name == encoder.name
    shutil.rmtree(market / ".cache")
    assert market_vae(market, PHOTOS).name == encoder.name


@pytest.mark.slow
def test_weights_that_are_missing_or_others_are_refused(market, tmp_path):
    for name, weights in (("vae-64-01234567", None), ("vae", tmp_path / "none.safetensors")):
        with pytest.raises(VibesError, match="--weights"):
            market_vae(market, PHOTOS, name, weights)
    market_vae(market, PHOTOS)
    with pytest.raises(VibesError, match="not 'vae-64-01234567'"):
        market_vae(market, PHOTOS, "vae-64-01234567")
    os.truncate(market / ".cache" / "vae" / "vae.safetensors", 100)
    with pytest.raises(VibesError, match="delete it"):
        market_vae(market, PHOTOS)
    with pytest.raises(VibesError, match="no readable photo"):
        market_vae(tmp_path / "empty", PHOTOS)
