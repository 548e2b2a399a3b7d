"""The memory of this process."""

import ctypes
import logging

logger = logging.getLogger(__name__)

#: glibc's names for the two parameters below, and what they are set to, in bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 256 * 2**20


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
