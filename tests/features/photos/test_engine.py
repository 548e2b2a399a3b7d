"""The photo encoder by OpenVINO: the same vectors as torch, kept once, and torch where it fails."""

import logging
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from listing_vibes.features.photos import engine as photo_engine
from listing_vibes.features.photos.encoder import LITE0, MANY
from listing_vibes.features.photos.tail import load_photo_encoder

pytestmark = pytest.mark.slow

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, cache):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)) for _ in range(MANY)]
    return np.stack([np.asarray(image.resize((288, 288))) for image in noise])


@pytest.fixture(scope="module")
def expected(photos):
    encoder = load_photo_encoder(LITE0, device="cpu")
    return np.concatenate([encoder.encode(photos[row : row + 4]) for row in range(0, MANY, 4)])


def cosine(one, two):
    return (one * two).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)


def test_the_vectors_are_those_of_torch(photos, expected, cache):
    encoder = load_photo_encoder(LITE0, device="cpu")
    vectors = encoder.encode(photos)
    assert isinstance(encoder._engine, photo_engine.PhotoEngine)
    assert cosine(vectors, expected).min() > 0.999999
    np.testing.assert_allclose(vectors, expected, atol=2e-4)
    files = sorted(path.name for path in cache.rglob("*.*"))
    assert [name[-4:] for name in files] == [".bin", ".xml"]
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")}
    again = load_photo_encoder(LITE0, device="cpu")
    np.testing.assert_array_equal(again.encode(photos), vectors)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")} == before


def test_other_vectors_are_refused(photos, expected, monkeypatch, caplog):
    monkeypatch.setattr(photo_engine, "AGREES", 1.1)
    encoder = load_photo_encoder(LITE0, device="cpu")
    with caplog.at_level(logging.WARNING):
        np.testing.assert_allclose(encoder.encode(photos), expected, atol=2e-4)
    assert encoder._engine is None and "gives other photo vectors" in caplog.text


def test_torch_encodes_without_openvino_and_with_a_damaged_file(
    photos, expected, monkeypatch, tmp_path, caplog
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(photo_engine, "_save", lambda graph, file: file.write_text("no model"))
    (tmp_path / "listing-vibes" / "engines").mkdir(parents=True)
    encoder = load_photo_encoder(LITE0, device="cpu")
    with caplog.at_level(logging.WARNING):
        np.testing.assert_allclose(encoder.encode(photos), expected, atol=2e-4)
    assert encoder._engine is None and "OpenVINO cannot run" in caplog.text
    monkeypatch.setitem(sys.modules, "openvino", None)
    bare = load_photo_encoder(LITE0, device="cpu")
    assert bare.encode(photos).shape == expected.shape and bare._engine is None


def test_the_process_keeps_its_threads(photos):
    before = torch.get_num_threads()
    load_photo_encoder(LITE0, device="cpu").encode(photos)
    assert torch.get_num_threads() == before
