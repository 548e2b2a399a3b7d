"""A market's photo vectors by name: one encoder, the market's own autoencoder, or several."""

import subprocess
import sys

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
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
def test_two_encoders_by_their_short_and_by_their_whole_names(market):
    said = []
    both = market_photos(market, f"{LITE0}+vae", report=lambda one: said.append(one.what))
    assert set(said) == {"training the autoencoder", "photos, vae", f"photos, {LITE0}"}
    first, second = both.parts
    assert first.vectors.shape == (4, 1280) and second.vectors.shape == (4, 256) and both.ok.all()
    assert both.encoder == f"{first.encoder}+{second.encoder}" and first.encoder.startswith(LITE0)
    again = market_photos(market, both.encoder)
    np.testing.assert_array_equal(again.vectors, both.vectors)
    read = load_photo_vectors(market.path, market.photos, both.encoder)
    np.testing.assert_array_equal(read.vectors, both.vectors)
    assert load_photo_vectors(market.path, market.photos, f"{first.encoder}+other") is None
    assert load_photo_vectors(market.path, market.photos).encoder == first.encoder
    config = FeatureConfig(text=False, photo_encoders=(LITE0, "vae"))
    featurizer = Featurizer.fit(market, config, 8, np.arange(4), np.empty(0), both)
    assert featurizer.photo_encoder == both.encoder
    assert len(featurizer.transform(market, read).photo) == 8


def test_names_that_make_no_sense(market, tmp_path):
    with pytest.raises(VibesError, match="a name twice"):
        market_photos(market, "vae+vae")
    with pytest.raises(VibesError, match="cannot serve"):
        market_photos(market, f"{LITE0}+vae", weights=tmp_path / "w.safetensors")
    with pytest.raises(VibesError, match="no photo encoder 'nonsense'"):
        market_photos(market, "nonsense")


def test_no_photos_at_all(tiny_market):
    assert market_photos(Market.open(tiny_market("bare", photos=0)), "vae") is None


@pytest.mark.slow  # 2 s of imports
def test_a_training_imports_timm_only_for_photos():
    child = "import sys, listing_vibes.training.api; assert not {'timm', 'torchvision'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", child], check=True)
