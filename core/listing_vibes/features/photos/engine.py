"""The photo encoder's forward pass on a CPU by OpenVINO, where that is installed (`pip install 'listing-vibes[export]'`).

Measured on 500 photos of the demo at 288 x 288, two cores, CPU time per photo: OpenVINO 8 ms, torch with one thread per chunk 20 ms,
timm with channels_last 98 ms in bfloat16 and 128 ms in float32 (its kernels wait for each other on a shared machine).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import nn

#: The minimum cosine to torch's vectors; it is within the precision of their storage (float16).
AGREES = 0.9999

_log = logging.getLogger(__name__)


class PhotoEngine:
    """(N, height, width, 3) uint8 -> (N, width) float32; one photo per request, with as many concurrent requests as threads."""

    def __init__(self, compiled: Any, width: int) -> None:
        from openvino import AsyncInferQueue

        self._width, self._lock = width, Lock()
        self._queue = AsyncInferQueue(compiled, 0)
        self._queue.set_callback(self._store)
        self._out = np.empty((0, width), np.float32)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the vectors of prepared photos; not safe for concurrent callers."""
        with self._lock:
            self._out = np.empty((len(images), self._width), np.float32)
            for row in range(len(images)):
                self._queue.start_async({0: images[row : row + 1]}, row)
            self._queue.wait_all()
            return self._out

    def _store(self, request: Any, row: int) -> None:
        self._out[row] = request.get_output_tensor(0).data[0]


class _Forward(nn.Module):
    def __init__(self, model: nn.Module, forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.model, self._forward = model, forward

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # (1, H, W, 3) uint8 -> (1, width)
        return self._forward(images.permute(0, 3, 1, 2))


def compile_engine(
    model: nn.Module,
    forward: Callable[[torch.Tensor], torch.Tensor],
    size: tuple[int, int],
    width: int,
    threads: int,
) -> PhotoEngine | None:
    """Compile a model, which takes two seconds; return None where OpenVINO is not installed, cannot run it, or gives different vectors.

    Args:
        model: on the CPU, in evaluation mode.
        forward: (N, 3, H, W) uint8 -> (N, width), with that model.
    """
    # OpenVINO's import and converter send events to an analytics host; without this package they use a stub without effect.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # documented: the import fails
    try:
        import openvino
    except ImportError:
        return None
    shape = [1, *size, 3]
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads,
    }  # fmt: skip
    probe = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    try:
        example = torch.from_numpy(probe)
        graph = openvino.convert_model(_Forward(model, forward).eval(), example_input=example, input=shape)
        engine = PhotoEngine(openvino.Core().compile_model(graph, "CPU", settings), width)
        reference = forward(example.permute(0, 3, 1, 2)).float()
        agreement = float(nn.functional.cosine_similarity(torch.from_numpy(engine(probe)), reference).min())
    except Exception as error:  # converters and compilers raise many types of errors; torch is the fallback
        _log.warning("OpenVINO cannot run the photo encoder (%s); using torch", str(error).splitlines()[:1])
        return None
    if agreement < AGREES:
        _log.warning("OpenVINO gives different photo vectors (cosine %.5f); using torch", agreement)
        return None
    return engine
