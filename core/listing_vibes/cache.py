"""Caches in memory that threads share: of the newest keys, and of what belongs to an object as long as that lives."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Concatenate, Generic, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

Key = TypeVar("Key")
Value = TypeVar("Value")
Owner = TypeVar("Owner")
More = ParamSpec("More")


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


#: Values that are cached of one object and one function.
PER_OBJECT = 64


def cached_per_object(
    function: Callable[Concatenate[Owner, More], Value],
) -> Callable[Concatenate[Owner, More], Value]:
    """Cache a function by its first argument, a run or a market say, as long as that lives, and by the others.

    `functools.lru_cache` would keep it alive: a service would hold states of a run that newer ones have replaced. What the
    function returns may not refer to it.
    """
    caches: WeakKeyDictionary[Owner, Cache[object, Value]] = WeakKeyDictionary()
    lock = Lock()  # pages and requests ask at once

    @wraps(function)
    def cached(owner: Owner, /, *more: More.args, **named: More.kwargs) -> Value:
        with lock:
            cache = caches.setdefault(owner, Cache(PER_OBJECT))
        return cache.get((*more, *sorted(named.items())), lambda: function(owner, *more, **named))

    return cached
