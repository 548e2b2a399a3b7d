"""Whether a file is still the one that was read."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def stamp(path: str | Path) -> tuple[int, ...] | None:
    """Return what changes with a file, without reading it; None where there is none."""
    with suppress(OSError, ValueError):  # of a name that no system takes
        status = os.stat(path)
        return status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size
    return None
