"""A market's photo vectors by the name of an encoder."""

import subprocess
import sys

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.features.photos.photo_vectors import load_photo_vectors
from listing_vibes.market.market import Market
from listing_vibes.variants import vae

pytest.importorskip("diffusers")


@pytest.fixture
def small(tiny_market, monkeypatch) -> Market:
    monkeypatch.setattr(vae, "STEPS", 1)
    monkeypatch.setattr(vae, "BATCH", 2)
    return Market.open(tiny_market(listings=4, photos=1))


@pytest.mark.slow
def test_an_encoder_by_its_short_and_its_full_name(small):
    first = market_photos(small, "vae")
    assert first.vectors.shape == (4, 256) and first.ok.all() and first.encoder.startswith("vae-")
    again = market_photos(small, first.encoder)
    read = load_photo_vectors(small.path, small.photos, first.encoder)
    for vectors in (again.vectors, read.vectors):
        np.testing.assert_array_equal(vectors, first.vectors)
    child = "import sys, listing_vibes.training.api; assert not {'timm', 'torchvision'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", child], check=True)  # timm is only imported for photos


def test_a_name_that_cannot_be_used_is_refused(small, tiny_market):
    for name in ("nonsense", "tf_efficientnet_lite0+vae"):
        with pytest.raises(VibesError):
            market_photos(small, name)
    assert market_photos(Market.open(tiny_market("bare", photos=0)), "vae") is None
