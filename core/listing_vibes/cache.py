"""A cache in memory that threads share."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """The values of the newest keys.

    Args:
        size: how many values are cached at most.
    """

    def __init__(self, size: int) -> None:
        self._size, self._values, self._lock = size, dict[Key, Value](), Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of a key, which `make` makes where it is not cached."""
        with self._lock:
            if key in self._values:
                return self._values[key]
        value = make()  # without the lock: this may take long, and may ask the cache for another key
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._size:
                del self._values[next(iter(self._values))]
        return value
