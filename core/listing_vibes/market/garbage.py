"""Garbage is looked for less often where very many objects are made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def none_meanwhile() -> Iterator[None]:
    """Look for no garbage within: of a million lists that are made one after another Python would walk those that there are again
    and again, for three quarters of the time."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()
