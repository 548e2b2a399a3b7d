"""The one decision where tensors live and in which precision: training, encoding and serving all ask here.

`LISTING_VIBES_DEVICE` decides: `auto` (the default: a CUDA GPU where there is one, else the CPU), `cpu`, `cuda`, `cuda:1`,
or any other device that this torch knows (`mps`, `xpu`). It is no setting of a run: a run that was trained on a GPU
serves on a laptop. Whoever has a model moves what it reads to `device_of(model)`, and nothing else is ever asked.
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
#: glibc's names for two parameters of its memory, and what they are set to, in bytes.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 256 * 2**20
#: Turns of the two types, and by how much bfloat16 must win. Seen: 2 on an AMD, .53 on an Intel without AMX, so that a busy
#: machine does not decide otherwise today than yesterday.
TURNS, CLEARLY = 9, 1.2


def device() -> torch.device:
    """Where models live in this process, with a number where the device has several.

    Raises:
        VibesError: `LISTING_VIBES_DEVICE` names a device that torch does not know or this machine does not have.
    """
    name = os.environ.get(VARIABLE, "").strip().lower() or "auto"
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        where = torch.device(name)
    except RuntimeError as error:
        raise VibesError(
            f"{VARIABLE} is '{name}', which is no device that torch knows; give auto, cpu, cuda, cuda:1 or mps."
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
    # Of a launched training each process has a GPU of its own.
    return (
        where
        if where.index is not None
        else torch.device(where.type, torch.accelerator.current_device_index())
    )


def device_of(model: torch.nn.Module) -> torch.device:
    """Where the weights of `model` are, and so what it reads has to be."""
    return next(model.parameters()).device


def half(where: torch.device | None = None) -> torch.dtype | None:
    """The 16-bit type whose matrix products are quicker than float32's there: bfloat16, float16, or None.

    Only what the hardware itself multiplies counts: torch also emulates bfloat16 on GPUs without it, slowly. On a CPU the
    two are timed, once a process: an Intel whose matrix unit is not at hand (AMX, in many virtual machines) multiplies
    bfloat16 by AVX-512 at half the rate of float32, an AMD at twice. float16 is for encoding alone, where nothing under-
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
    """Whether this CPU has instructions for bfloat16, quicker or not."""
    return cpu_has("avx512_bf16") or has_amx()


def has_amx() -> bool:
    """Whether the CPU's matrix unit multiplies bfloat16."""
    return cpu_has("amx_bf16")


@cache
def cpu_has(name: str) -> bool:
    """Whether this CPU has the instructions of that name, as far as this torch can tell."""
    result = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(result.get(name))


@cache
def _bf16_is_quicker() -> bool:
    """Whether a layer of usual size takes clearly less time in bfloat16: of the best of several turns, some 10 ms in all."""
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


def keep_freed_memory() -> bool:
    """Let this process keep what its batches free, up to `KEPT_BYTES`, instead of asking for it again; True where it can.

    By default glibc gives every large tensor back to the system, which zeroes it page by page when the next batch asks
    again. Other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(MMAP_THRESHOLD, KEPT_BYTES) and mallopt(TRIM_THRESHOLD, KEPT_BYTES))
