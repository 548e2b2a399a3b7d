"""The photo encoder by OpenVINO: the same vectors as torch, and torch where it fails."""

import sys

import numpy as np
import pytest
import timm
import torch

from listing_vibes.features.photos import encoder as photo_engine
from listing_vibes.features.photos.encoder import PhotoEncoder

pytestmark = pytest.mark.slow

pytest.importorskip("openvino")
SIZE = (64, 64)


@pytest.fixture
def photos():
    return np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), np.uint8)


@pytest.fixture
def encoder(monkeypatch):
    """A small EfficientNet that is converted at the second call."""
    monkeypatch.setattr("listing_vibes.features.photos.encoder.MANY", 8)
    torch.manual_seed(0)
    model = timm.create_model("test_efficientnet", pretrained=False)
    return PhotoEncoder(model, "tiny", SIZE, (0.5,) * 3, (0.5,) * 3, "cpu")


@pytest.mark.parametrize(("agrees", "parts", "least"), [(1.1, 1, 0.999999), (0.99, 2, 0.99)])
def test_the_vectors_are_those_of_torch(photos, encoder, monkeypatch, agrees, parts, least):
    import openvino

    if parts == 2 and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16")
    monkeypatch.setattr(photo_engine, "AGREES_BF16", agrees)  # float32, or bfloat16 after the first blocks
    before = torch.get_num_threads()
    by_torch, by_engine = encoder.encode(photos), encoder.encode(photos)
    assert isinstance(encoder._engine, photo_engine.PhotoEngine) and torch.get_num_threads() == before
    assert len(encoder._engine._parts) == parts
    lengths = np.linalg.norm(by_torch, axis=1) * np.linalg.norm(by_engine, axis=1)
    assert ((by_torch * by_engine).sum(axis=1) / lengths).min() > least


@pytest.mark.parametrize("fault", ["other vectors", "no conversion", "not installed"])
def test_torch_encodes_where_openvino_does_not(photos, encoder, monkeypatch, fault):
    import openvino

    if fault == "other vectors":
        monkeypatch.setattr(photo_engine, "AGREES", 1.1)
    elif fault == "no conversion":
        monkeypatch.setattr(openvino, "convert_model", lambda *_, **__: 1 / 0)
    else:
        monkeypatch.setitem(sys.modules, "openvino", None)
    np.testing.assert_array_equal(encoder.encode(photos), encoder.encode(photos))
