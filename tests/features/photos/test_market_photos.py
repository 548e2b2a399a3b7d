"""A market's photo vectors by name: one encoder, the market's autoencoder, or several."""

import subprocess
import sys

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.features.photos import vae
from listing_vibes.features.photos.market_photos import market_photos
from listing_vibes.features.photos.vectors import load_photo_vectors
from listing_vibes.market.market import Market

pytest.importorskip("diffusers")
LITE0 = "tf_efficientnet_lite0"


@pytest.fixture
def market(tiny_market, monkeypatch) -> Market:
    monkeypatch.setattr(vae, "STEPS", 1)
    monkeypatch.setattr(vae, "BATCH", 2)
    return Market.open(tiny_market(listings=4, photos=1))


@pytest.mark.slow
def test_two_encoders_by_their_short_and_their_full_names(market):
    updates: set[str] = set()
    both = market_photos(market, f"{LITE0}+vae", report=lambda one: updates.add(one.what))
    assert updates == {"training the autoencoder", "photos, vae", f"photos, {LITE0}"}
    first, second = both.parts
    assert first.vectors.shape == (4, 1280) and second.vectors.shape == (4, 256) and both.ok.all()
    assert both.encoder == f"{first.encoder}+{second.encoder}" and first.encoder.startswith(LITE0)
    again, read = (
        market_photos(market, both.encoder),
        load_photo_vectors(market.path, market.photos, both.encoder),
    )
    np.testing.assert_array_equal(again.vectors, both.vectors)
    np.testing.assert_array_equal(read.vectors, both.vectors)
    assert load_photo_vectors(market.path, market.photos, f"{first.encoder}+other") is None
    assert load_photo_vectors(market.path, market.photos).encoder == first.encoder
    child = "import sys, listing_vibes.training.api; assert not {'timm', 'torchvision'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", child], check=True)  # timm is only imported for photos


def test_names_that_cannot_be_used_are_refused(market, tmp_path, tiny_market):
    for names, weights in (
        ("vae+vae", None),
        (f"{LITE0}+vae", tmp_path / "w.safetensors"),
        ("nonsense", None),
    ):
        with pytest.raises(VibesError):
            market_photos(market, names, weights=weights)
    assert market_photos(Market.open(tiny_market("bare", photos=0)), "vae") is None
