"""The photo encoder's forward pass on a CPU by OpenVINO, where that is installed (`pip install 'listing-vibes[export]'`).

Measured on photos of H&M at 288 x 288, one core of an AMD EPYC (Zen 5), CPU time per photo: OpenVINO in float32 8.3 ms, with all
but the first blocks in bfloat16 5.8 ms. See assets/docs/research/2026-11-30-speed.md.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import nn

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


class _Front(nn.Module):
    """The first blocks of an EfficientNet."""

    def __init__(self, model: Any, normalize: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.model, self._normalize = model, normalize

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # (1, H, W, 3) uint8 -> (1, C, h, w)
        value = self.model.bn1(self.model.conv_stem(self._normalize(images.permute(0, 3, 1, 2))))
        result: torch.Tensor = self.model.blocks[:EXACT_BLOCKS](value)
        return result


class _Rest(nn.Module):
    """What follows them, or the whole model with `normalize`."""

    def __init__(self, model: Any, normalize: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
        super().__init__()
        self.model, self._normalize = model, normalize

    def forward(self, value: torch.Tensor) -> torch.Tensor:  # -> (1, width)
        if self._normalize is not None:  # (1, H, W, 3) uint8
            features = self.model.forward_features(self._normalize(value.permute(0, 3, 1, 2)))
        else:  # (1, C, h, w)
            features = self.model.bn2(self.model.conv_head(self.model.blocks[EXACT_BLOCKS:](value)))
        result: torch.Tensor = self.model.forward_head(features, pre_logits=True).flatten(1)
        return result


def compile_engine(
    model: Any,
    normalize: Callable[[torch.Tensor], torch.Tensor],
    size: tuple[int, int],
    threads: int,
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

    def compiled(part: nn.Module, example: torch.Tensor, precision: str) -> Any:
        graph = openvino.convert_model(part.eval(), example_input=example, input=list(example.shape))
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads,
        }  # fmt: skip
        return core.compile_model(graph, "CPU", settings)

    probe = np.random.default_rng(0).integers(0, 256, (TRIALS, *size, 3), np.uint8)
    try:
        with torch.inference_mode():
            photo = torch.from_numpy(probe[:1])
            reference = _Rest(model, normalize)(photo).numpy()
        engine = PhotoEngine([compiled(_Rest(model, normalize), photo, "f32")], threads)
        if (agreement := _cosine(engine(probe[:1]), reference)) < AGREES:
            _log.warning("OpenVINO gives different photo vectors (cosine %.5f); using torch", agreement)
            return None
        if hasattr(model, "conv_stem") and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            front = _Front(model, normalize)
            with torch.inference_mode():
                between = front(photo).clone()
            parts = [compiled(front, photo, "f32"), compiled(_Rest(model, None), between, "bf16")]
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
