"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")
PATIENCE_S = 180  # that a busy machine may take


def wait_until(is_reached: Callable[[], T], pause: float = 0.02) -> T:
    """Return what `is_reached` gives, once that is true; fail after `PATIENCE_S`."""
    until = time.monotonic() + PATIENCE_S
    while not (found := is_reached()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(pause)
    return found


def has_ended(process: psutil.Process) -> bool:
    """Whether a process is gone, or waits for whoever started it to take note."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
