"""Who decides where tensors live; and everything that computes, on a second device that refuses to meet CPU tensors."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils import backend_registration

if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
    pytest.skip("this torch takes no device that is written in Python", allow_module_level=True)

from helpers.on_devices import (
    WAYS,
    cosine,
    on,
    photo_market,
    same_weights_same_answers,
    settings_of,
    trained_on,
)
from helpers.second_device import NAME, Module, OnSecond
from listing_vibes import cores as cores_module
from listing_vibes import device as owner
from listing_vibes.cores import cores
from listing_vibes.device import (
    CPU,
    VARIABLE,
    device,
    device_of,
    half,
    has_bf16,
    mixed_precision,
    place,
    seeded,
)
from listing_vibes.errors import VibesError
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.features.photos.photo_encoder import load_photo_encoder
from listing_vibes.features.texts.text_encoder import TextEncoder, load_text_encoder
from listing_vibes.model.encoder import inference_dtype, precision_name
from listing_vibes.model.export.graph import graphs_of
from listing_vibes.progress import Trained, Update
from listing_vibes.run.run import Run
from listing_vibes.training.train import train
from listing_vibes.variants import own_bert, vae
from listing_vibes.variants.own_bert import OwnBert
from listing_vibes.variants.vae import market_vae


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return photo_market(tmp_path_factory.mktemp("devices") / "market")


@pytest.fixture(scope="module")
def photos(market):
    with on("cpu"):
        return market_photos(market, "tf_efficientnet_lite0")


@pytest.mark.parametrize("asked", ["", "auto", " AUTO ", "cpu", "cpu:0"])
def test_without_a_gpu_everything_is_on_the_cpu(monkeypatch, asked):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **more: None)
    monkeypatch.setenv(VARIABLE, asked)
    assert device() == CPU


def test_a_gpu_is_taken_unless_the_cpu_is_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **more: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.accelerator, "current_device_index", lambda: 1
    )  # of a launched training: its own
    monkeypatch.delenv(VARIABLE, raising=False)
    assert device() == torch.device("cuda", 1)
    for asked, found in (("cuda", "cuda:1"), ("cuda:0", "cuda:0"), ("cpu", "cpu")):
        monkeypatch.setenv(VARIABLE, asked)
        assert device() == torch.device(found)
    monkeypatch.setenv(VARIABLE, "cuda:2")
    with pytest.raises(VibesError, match="'cuda:2', but this machine has no such device; give auto or cpu"):
        device()


@pytest.mark.parametrize(
    "asked, told", [("cuda", "no such device"), ("meta", "no such device"), ("gpu", "not a device")]
)
def test_a_device_that_is_not_there_is_refused_in_a_sentence(monkeypatch, asked, told):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **more: None)
    monkeypatch.setenv(VARIABLE, asked)
    with pytest.raises(VibesError, match=f"{VARIABLE} is '{asked}'.*{told}"):
        device()


@pytest.mark.parametrize(
    "bf16_ns, instructions, found",
    [(50, True, torch.bfloat16), (95, True, None), (190, True, None), (50, False, None)],
    ids=["quicker", "hardly", "slower", "without"],
)
def test_a_cpu_multiplies_in_bfloat16_where_that_is_clearly_quicker(
    monkeypatch, bf16_ns, instructions, found
):
    spent = 0

    def linear(x: torch.Tensor, weight: torch.Tensor) -> None:
        nonlocal spent
        spent += bf16_ns if x.dtype is torch.bfloat16 else 100

    monkeypatch.setattr(owner, "multiplies_bf16", lambda: instructions)
    monkeypatch.setattr(owner.time, "process_time_ns", lambda: spent)
    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    owner._bf16_is_quicker.cache_clear()
    try:
        assert half(CPU) is found and has_bf16(CPU) == (found is not None)
    finally:
        owner._bf16_is_quicker.cache_clear()  # what was timed here is true of no machine


@pytest.mark.parametrize(
    "bf16, capability, found",
    [(True, (9, 0), torch.bfloat16), (False, (7, 5), torch.float16), (False, (6, 1), None)],
)
def test_a_gpu_multiplies_in_what_its_hardware_has(monkeypatch, bf16, capability, found):
    def supported(including_emulation: bool = True) -> bool:
        return bf16 or including_emulation  # torch emulates bfloat16 on old GPUs, slowly

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda where: capability)
    where = torch.device("cuda", 0)
    assert half(where) is found and has_bf16(where) == bf16
    monkeypatch.setattr("listing_vibes.model.encoder.device_of", lambda model: where)
    name = {torch.bfloat16: "cuda-bf16", torch.float16: "cuda-fp16", None: "cuda-float32"}[found]
    for precision, expected in (("auto", name), ("float32", "cuda-float32")):
        assert precision_name(inference_dtype(precision, None), None) == expected


def test_drawing_inside_leaves_no_trace_outside():
    torch.manual_seed(1)
    first, second = torch.rand(1), torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1) == first
    with seeded(7):
        inside = torch.rand(1)
    with seeded(7):
        assert torch.rand(1) == inside
    assert torch.rand(1) == second


def test_the_second_device_refuses_what_a_gpu_refuses(second):
    there, here = place(np.ones((2, 3), np.float32), second), torch.ones(2, 3)
    assert there.device.type == NAME and isinstance(there, OnSecond)
    with pytest.raises(RuntimeError, match="same device"):
        there + here
    with pytest.raises(RuntimeError, match="same device"):
        torch.nn.Linear(3, 3).to(second)(here)
    with pytest.raises((RuntimeError, TypeError)):
        there.numpy()
    assert (there + torch.tensor(1.0)).cpu().numpy().tolist() == [[2, 2, 2], [2, 2, 2]]
    with mixed_precision(torch.bfloat16, second):
        assert torch.nn.Linear(3, 3).to(second)(there).dtype is torch.bfloat16


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_what_is_trained_there_answers_there_as_on_the_cpu(second, way, market, photos, tmp_path):
    run = trained_on(NAME, market, tmp_path / "run", settings_of(way), photos)
    assert run.manifest.encoded_by == f"{NAME}-float32"
    with on("cpu"):
        train(market, tmp_path / "cpu", settings_of(way), photos)
    # The same numbers are drawn, and the same kernels run within: only the order of sums may differ.
    listings = (run.vectors("model"), Run.open(tmp_path / "cpu", market).vectors("model"))
    assert cosine(*(vectors.astype(np.float32) for vectors in listings)) > 0.999
    same_weights_same_answers(run.path, NAME, tmp_path)
    # A graph is written from a copy on the CPU.
    assert {device_of(graph) for graph in graphs_of(run.engine.model)} == {CPU}
    assert device_of(run.engine.model).type == NAME


@pytest.mark.slow
def test_in_sixteen_bits_too(second, monkeypatch, market, photos, tmp_path):
    monkeypatch.setattr(Module, "bf16", True)
    run = trained_on(NAME, market, tmp_path / "run", settings_of("cls", bf16=None), photos)
    assert run.manifest.settings.training.bf16 and run.manifest.encoded_by == f"{NAME}-bf16"
    same_weights_same_answers(run.path, NAME, tmp_path)


@pytest.mark.slow
def test_an_interrupted_training_goes_on_there(second, market, photos, tmp_path):
    settings = settings_of("listing-vectors")
    train(market, tmp_path / "whole", settings, photos)

    def stop(update: Update) -> None:
        if isinstance(update, Trained) and update.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(market, tmp_path / "run", settings, photos, report=stop)
    train(market, tmp_path / "run", settings, photos, resume=True)
    whole, run = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "run"))
    assert whole == run


@pytest.mark.slow
def test_photo_and_text_encoders_follow(second):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    words = ["a flat by the sea", "quiet, with a garden"]
    # The packaged text encoder is opened once a process; here it may have been on the CPU.
    packaged = load_text_encoder().folder
    there = load_photo_encoder("tf_efficientnet_lite0"), TextEncoder(packaged, "there")
    assert there[0].device == device()
    found = there[0].encode([picture, picture]), there[1].encode(words)
    assert there[1]._loaded[1].device == device()
    assert there[0].classify(found[0]).shape == (2, 1000)
    with on("cpu"):
        here = load_photo_encoder("tf_efficientnet_lite0"), TextEncoder(packaged, "here")
        assert here[0].device == CPU
        np.testing.assert_allclose(here[0].encode([picture, picture]), found[0], atol=1e-4)
        np.testing.assert_allclose(here[1].encode(words), found[1], atol=1e-5)


@pytest.mark.slow
def test_the_markets_own_encoders_train_there(second, market, monkeypatch, tmp_path):
    pytest.importorskip("diffusers")
    monkeypatch.setattr(vae, "STEPS", 2)
    encoder = market_vae(market.path, market.photos)
    assert encoder.device == device_of(encoder.model) == device()
    assert encoder.encode(np.zeros((2, 64, 64, 3), np.uint8)).shape == (2, encoder.width)
    monkeypatch.setattr(own_bert, "BATCH", 2)
    monkeypatch.setattr(own_bert, "STEPS", 1)
    texts = ["by the old harbour", "in the woods"]
    bert = OwnBert.fit(texts, 8, tmp_path)
    assert bert.vectors(texts, tmp_path).shape == (2, 384)


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/pod/box\n", {"pod/cpu.max": "150000 100000\n", "pod/box/cpu.max": "max 100000\n"}, [1.5, math.inf]),
        (
            "4:memory:/box\n3:cpu,cpuacct:/box\n",
            {"cpu/box/cpu.cfs_quota_us": "50000\n", "cpu/box/cpu.cfs_period_us": "100000\n"},
            [0.5, math.inf],
        ),
        ("0::/\n", {}, [math.inf]),
        (None, {}, [math.inf]),
    ],
    ids=["version 2 counts the groups above too", "version 1 counts processor groups alone", "no bound", "no groups"],
)  # fmt: skip
def test_what_control_groups_allow_is_read(tmp_path, membership, files, expected):
    if membership is not None:
        (tmp_path / "membership").write_text(membership)
    for name, content in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert sorted(cores_module._quotas(tmp_path / "groups", tmp_path / "membership")) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process")
def test_what_the_process_is_bound_to_counts(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})
    monkeypatch.setattr(cores_module, "_quotas", lambda *_: iter((math.inf,)))
    assert cores() == 3
    monkeypatch.setattr(cores_module, "_quotas", lambda *_: iter((math.inf, 1.2)))
    assert cores() == 2
    monkeypatch.setattr(cores_module, "_quotas", lambda *_: iter((math.inf, 0.3)))
    assert cores() == 1


def test_nobody_else_counts_processors():
    """`os.cpu_count()` tells of the machine, which may be thirty times what a container has."""
    root = Path(cores_module.__file__).parent
    asking = [
        path.relative_to(root).as_posix()
        for part in (root, root.parents[1] / "app")
        for path in part.rglob("*.py")
        if "cpu_count" in path.read_text() or "sched_getaffinity" in path.read_text()
    ]
    assert asking == ["cores.py"]
