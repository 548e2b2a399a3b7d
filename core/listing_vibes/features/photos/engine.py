"""The photo encoder's forward pass on the processor by OpenVINO, where that is installed (`pip install 'listing-vibes[export]'`).

The torch model stays the reference: it is converted once, kept by the hash of its weights, and what the converted one
gives is compared with it before it is used.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import nn

from listing_vibes.market.caches import user_cache
from listing_vibes.market.durable import atomic_path

#: The least cosine between the vectors of both: what it is stored as (float16) keeps no more.
AGREES = 0.9999

_log = logging.getLogger(__name__)


class PhotoEngine:
    """(N, height, width, 3) uint8 -> (N, width) float32; one photo a request, as many requests at once as threads."""

    def __init__(self, compiled: Any, width: int) -> None:
        from openvino import AsyncInferQueue

        self._width, self._lock = width, Lock()
        self._queue = AsyncInferQueue(compiled, 0)
        self._queue.set_callback(self._keep)
        self._out = np.empty((0, width), np.float32)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Vectors of prepared photos; one caller at a time."""
        with self._lock:
            self._out = np.empty((len(images), self._width), np.float32)
            for row in range(len(images)):
                self._queue.start_async({0: images[row : row + 1]}, row)
            self._queue.wait_all()
            return self._out

    def _keep(self, request: Any, row: int) -> None:
        self._out[row] = request.get_output_tensor(0).data[0]


class _Whole(nn.Module):
    """The normalisation and the pooled features in one graph."""

    def __init__(self, model: nn.Module, normalise: Callable, pooled: Callable) -> None:
        super().__init__()
        self.model, self._normalise, self._pooled = model, normalise, pooled

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # (1, H, W, 3) uint8 -> (1, width)
        return self._pooled(self._normalise(images.permute(0, 3, 1, 2)))


def fast_engine(
    model: nn.Module,
    normalise: Callable[[torch.Tensor], torch.Tensor],
    pooled: Callable[[torch.Tensor], torch.Tensor],
    size: tuple[int, int],
    width: int,
    threads: int,
) -> PhotoEngine | None:
    """The converted model; None where OpenVINO is not installed, cannot run it, or gives other vectors.

    Args:
        model: on the processor, in evaluation mode; its weights name the file that the converted one is kept in.
        normalise: (N, 3, H, W) uint8 -> what the model takes; pooled: that -> (N, width).
    """
    if (openvino := _import_openvino()) is None:
        return None
    shape = [1, *size, 3]
    probe = normalise(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1))
    file = (
        user_cache()
        / "engines"
        / f"{_hash(model, size, probe.flatten().tolist())}-{openvino.__version__.split('-')[0]}.xml"
    )
    core = openvino.Core()
    try:
        if not (file.is_file() and file.with_suffix(".bin").is_file()):
            whole = _Whole(model, normalise, pooled).eval()
            example = torch.zeros(shape, dtype=torch.uint8)
            graph = openvino.convert_model(whole, example_input=example, input=shape)
            _save(graph, file)
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads,
        }  # fmt: skip
        engine = PhotoEngine(core.compile_model(str(file), "CPU", settings), width)
        agreement = _agreement(engine, lambda images: pooled(normalise(images)), size)
    except Exception as error:  # a converter or a compiler raises anything; torch is there
        _log.warning("OpenVINO cannot run the photo encoder (%s); torch does", str(error).splitlines()[:1])
        return None
    if agreement < AGREES:
        _log.warning("OpenVINO gives other photo vectors (cosine %.5f); torch encodes", agreement)
        return None
    return engine


def _import_openvino() -> Any:
    """OpenVINO without its telemetry, or None where it is not installed.

    Its import and its converter post events to an analytics host, with a client id that they write into the home folder; where
    the package `openvino_telemetry` cannot be imported they use a stub that does nothing.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # documented: the import fails
    try:
        import openvino
    except ImportError:
        return None
    return openvino


def _agreement(
    engine: PhotoEngine, reference: Callable[[torch.Tensor], torch.Tensor], size: tuple[int, int]
) -> float:
    """The least cosine between both over pictures of coarse noise."""
    coarse = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8), dtype=np.uint8))
    images = nn.functional.interpolate(coarse.float(), size, mode="bilinear").to(torch.uint8)
    ours = torch.from_numpy(engine(np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())))
    return float(nn.functional.cosine_similarity(ours, reference(images).float().cpu()).min())


def _save(graph: Any, file: Path) -> None:
    """Write the pair of files; the one that is looked for comes last."""
    import openvino

    with atomic_path(file) as temporary:
        pair = temporary.with_suffix(".xml")
        openvino.save_model(graph, str(pair), compress_to_fp16=False)
        os.replace(pair.with_suffix(".bin"), file.with_suffix(".bin"))
        if pair != temporary:
            os.replace(pair, temporary)


def _hash(model: nn.Module, size: tuple[int, int], normalised: list) -> str:
    """Hash of what the converted model depends on: its layers, its weights, a photo's size and normalisation."""
    digest = hashlib.sha256(repr((model, size, normalised)).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]
