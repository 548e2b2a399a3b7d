"""What the packed path asks of this machine."""

import ctypes
import logging

import torch

from listing_vibes.device import has_amx

logger = logging.getLogger(__name__)

#: glibc's names for the two parameters below, and what they are set to, in bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 256 * 2**20


#: Tokens of a row from which torch's kernel is quicker in bfloat16.
LONG = 48


def has_kernel(dtype: torch.dtype, size: int) -> bool:
    """Whether attention in `dtype` among `size` tokens is quickest by torch's own kernel: in float32, and in bfloat16 where AMX
    multiplies the tiles of rows that are not short."""
    return dtype is torch.float32 or (size >= LONG and has_amx())


def keep_memory() -> bool:
    """Let this process keep what its batches free, up to `KEPT_BYTES`, instead of asking for it anew; True where it can.

    By default glibc gives every large tensor back to the system, which zeroes it page by page when the next batch asks
    again: a sixth of the encoder's time. Other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        logger.info("this C library has no mallopt; the encoder runs without it")
        return False
    return bool(mallopt(_MMAP_THRESHOLD, KEPT_BYTES) and mallopt(_TRIM_THRESHOLD, KEPT_BYTES))
