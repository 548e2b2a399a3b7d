"""Thread-safe caches in memory: of the newest keys, and per object for its lifetime."""

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
    """Cache of the values of the newest keys.

    Args:
        size: maximum number of values.
    """

    def __init__(self, size: int) -> None:
        self._size, self._values, self._lock = size, dict[Key, Value](), Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the cached value of a key, or create it with `make`."""
        with self._lock:
            if key in self._values:
                return self._values[key]
        value = make()  # without the lock: this may take long, and may use the cache for another key
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._size:
                del self._values[next(iter(self._values))]
        return value


#: Maximum number of cached values per object and function.
PER_OBJECT = 64


def cached_per_object(
    function: Callable[Concatenate[Owner, More], Value],
) -> Callable[Concatenate[Owner, More], Value]:
    """Cache a function by its arguments for the lifetime of the first one, such as a run or a market.

    `functools.lru_cache` would keep that object alive, such as a replaced state of a run in a service. The value that the
    function returns must not refer to it.
    """
    caches: WeakKeyDictionary[Owner, Cache[object, Value]] = WeakKeyDictionary()
    lock = Lock()  # pages and requests call concurrently

    @wraps(function)
    def cached(owner: Owner, /, *more: More.args, **named: More.kwargs) -> Value:
        with lock:
            cache = caches.setdefault(owner, Cache(PER_OBJECT))
        return cache.get((*more, *sorted(named.items())), lambda: function(owner, *more, **named))

    return cached
