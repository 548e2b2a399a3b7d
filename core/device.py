"""The one decision where tensors live and in which precision: training, encoding and serving all ask here.

`LISTING_VIBES_DEVICE` decides: `auto` (the default: a CUDA GPU where there is one, else the CPU), `cpu`, `cuda`, `cuda:1`,
or any other device that this torch knows (`mps`, `xpu`). It is no setting of a run: a run that was trained on a GPU
serves on a laptop. Whoever has a model moves what it reads to `device_of(model)`, and nothing else is ever asked.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch

from core.errors import VibesError

VARIABLE = "LISTING_VIBES_DEVICE"
CPU = torch.device("cpu")


def device() -> torch.device:
    """Where models live in this process, with a number where the device has several.

    Raises:
        VibesError: `LISTING_VIBES_DEVICE` names a device that torch does not know or this machine does not have.
    """
    asked = os.environ.get(VARIABLE, "").strip().lower() or "auto"
    if asked == "auto":
        return _numbered(torch.device("cuda")) if torch.cuda.is_available() else CPU
    try:
        found = torch.device(asked)
        if found.type == "cpu":
            return CPU
        usable = torch.get_device_module(found).is_available()
    except (RuntimeError, AttributeError) as error:
        raise VibesError(
            f"{VARIABLE} is '{asked}', which is no device that torch knows; give auto, cpu, cuda, cuda:1 or mps."
        ) from error
    if not usable or (found.index or 0) >= torch.get_device_module(found).device_count():
        raise VibesError(f"{VARIABLE} is '{asked}', but this machine has no such device; give auto or cpu.")
    return _numbered(found)


def device_of(model: torch.nn.Module) -> torch.device:
    """Where the weights of `model` are, and so what it reads has to be."""
    return next(model.parameters()).device


def half(where: torch.device | None = None) -> torch.dtype | None:
    """The 16-bit type whose matrix products are quicker than float32's there: bfloat16, float16, or None.

    Only what the hardware itself multiplies counts: torch also emulates bfloat16 on GPUs without it, slowly. float16 is
    for encoding alone, where nothing under- or overflows: unit vectors of layers that end in a norm.
    """
    where = device() if where is None else where
    if where.type == "cpu":
        found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return torch.bfloat16 if found.get("avx512_bf16") or found.get("amx_bf16") else None
    if where.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16
        return torch.float16 if torch.cuda.get_device_capability(where) >= (7, 0) else None
    asked = getattr(torch.get_device_module(where), "is_bf16_supported", None)
    return torch.bfloat16 if asked is not None and asked() else None


def has_bf16(where: torch.device | None = None) -> bool:
    """Whether matrix products in bfloat16 are quicker than in float32 there: what training may use."""
    return half(where) is torch.bfloat16


def mixed_precision(dtype: torch.dtype | None, where: torch.device) -> AbstractContextManager:
    """Inside, matrix products are made in `dtype`; None leaves everything as it is."""
    return nullcontext() if dtype is None else torch.autocast(where.type, dtype=dtype)


def place(array: np.ndarray, where: torch.device | str) -> torch.Tensor:
    """`array` as a tensor there; on the CPU it shares the memory."""
    return torch.from_numpy(array).to(where)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch draws by `seed`, on the CPU and on the device; afterwards it goes on as if nothing had been drawn."""
    where = device()
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _numbered(found: torch.device) -> torch.device:
    """With the number that this process works on: of a launched training each process has a GPU of its own."""
    if found.index is not None:
        return found
    module = torch.get_device_module(found)
    return torch.device(found.type, module.current_device()) if hasattr(module, "current_device") else found
