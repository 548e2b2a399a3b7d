"""Device and precision of tensors for training, encoding and serving.

`LISTING_VIBES_DEVICE` sets the device: `auto` (the default: a CUDA GPU if there is one, else the CPU), `cpu`, `cuda`, `cuda:1`,
or any other device that torch supports (`mps`, `xpu`). It is not a setting of a run: a run that was trained on a GPU
serves on a laptop. Inputs of a model are moved to `device_of(model)`.
"""

import ctypes
import math
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache

import numpy as np
import torch

from listing_vibes.errors import VibesError

VARIABLE = "LISTING_VIBES_DEVICE"
CPU = torch.device("cpu")
#: glibc's `mallopt` parameters, and their value in bytes.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 256 * 2**20
#: Repetitions per type, and the speed-up that bfloat16 must reach. Observed: 2 on an AMD, .53 on an Intel without AMX, so the
#: decision is stable on a busy machine.
TURNS, CLEARLY = 9, 1.2


def device() -> torch.device:
    """Return the device of models in this process, with an index if there are several.

    Raises:
        VibesError: `LISTING_VIBES_DEVICE` names a device that torch does not support or this machine does not have.
    """
    name = os.environ.get(VARIABLE, "").strip().lower() or "auto"
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        where = torch.device(name)
    except RuntimeError as error:
        raise VibesError(
            f"{VARIABLE} is '{name}', which is not a device of torch; give auto, cpu, cuda, cuda:1 or mps."
        ) from error
    if where.type == "cpu":
        return CPU
    present = torch.accelerator.current_accelerator(check_available=True)
    if (
        present is None
        or present.type != where.type
        or (where.index or 0) >= torch.accelerator.device_count()
    ):
        raise VibesError(f"{VARIABLE} is '{name}', but this machine has no such device; give auto or cpu.")
    # Each process of a distributed training has a separate GPU.
    return (
        where
        if where.index is not None
        else torch.device(where.type, torch.accelerator.current_device_index())
    )


def device_of(model: torch.nn.Module) -> torch.device:
    """Return the device of the weights of `model`, where its inputs must be."""
    return next(model.parameters()).device


def half(where: torch.device | None = None) -> torch.dtype | None:
    """Return the 16-bit type whose matrix products are faster than float32's on a device: bfloat16, float16, or None.

    Only native hardware support counts: torch also emulates bfloat16 on GPUs without it, slowly. On a CPU the
    two are timed, once per process: an Intel without its matrix unit (AMX, missing in many virtual machines) multiplies
    bfloat16 by AVX-512 at half the rate of float32, an AMD at twice. float16 is for encoding only, where nothing under-
    or overflows: unit vectors of layers that end in a norm.
    """
    where = device() if where is None else where
    if where.type == "cpu":
        return torch.bfloat16 if multiplies_bf16() and _bf16_is_quicker() else None
    if where.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16
        return torch.float16 if torch.cuda.get_device_capability(where) >= (7, 0) else None
    query = getattr(torch.get_device_module(where), "is_bf16_supported", None)
    return torch.bfloat16 if query is not None and query() else None


def multiplies_bf16() -> bool:
    """Return whether this CPU has instructions for bfloat16, faster or not."""
    return cpu_has("avx512_bf16") or has_amx()


def has_amx() -> bool:
    """Return whether the CPU has a matrix unit for bfloat16 (AMX)."""
    return cpu_has("amx_bf16")


@cache
def cpu_has(name: str) -> bool:
    """Return whether this CPU has the instructions of that name, according to torch."""
    result = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(result.get(name))


@cache
def _bf16_is_quicker() -> bool:
    """Return whether a layer of typical size is clearly faster in bfloat16: best of several repetitions, about 10 ms in all."""
    layers = {
        kind: (torch.ones(512, 256, dtype=kind), torch.ones(256, 256, dtype=kind))
        for kind in (torch.float32, torch.bfloat16)
    }
    best = dict.fromkeys(layers, math.inf)
    with torch.inference_mode():
        for _ in range(TURNS):
            for kind, (x, weight) in layers.items():
                began = time.process_time_ns()
                torch.nn.functional.linear(x, weight)
                best[kind] = min(best[kind], time.process_time_ns() - began)
    return best[torch.float32] > CLEARLY * best[torch.bfloat16]


def has_bf16(where: torch.device | None = None) -> bool:
    """Return whether matrix products on a device are faster in bfloat16 than in float32, for use in training."""
    return half(where) is torch.bfloat16


def mixed_precision(dtype: torch.dtype | None, where: torch.device) -> AbstractContextManager[object]:
    """Return a context in which matrix products use `dtype`; None changes nothing."""
    return nullcontext() if dtype is None else torch.autocast(where.type, dtype=dtype)


def place(array: np.ndarray, where: torch.device | str) -> torch.Tensor:
    """Return `array` as a tensor on a device; on the CPU it shares the memory."""
    return torch.from_numpy(array).to(where)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's random generators within a context, on the CPU and on the device; their state is restored afterwards."""
    where = device()
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def keep_freed_memory() -> bool:
    """Configure malloc to keep up to `KEPT_BYTES` of freed memory for the next batch; return whether that worked.

    By default glibc returns every large tensor to the system, which zeroes its pages again for the next batch. Other C
    libraries are not changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(MMAP_THRESHOLD, KEPT_BYTES) and mallopt(TRIM_THRESHOLD, KEPT_BYTES))
