"""What is worked out of an object once, and goes with it."""

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

Of = TypeVar("Of")
More = ParamSpec("More")
Found = TypeVar("Found")


def kept_with(
    most: int,
) -> Callable[[Callable[Concatenate[Of, More], Found]], Callable[Concatenate[Of, More], Found]]:
    """A function that is asked once for each first argument, a run or a market say, and the rest, as long as the first one lives.

    `functools.lru_cache` would keep that one alive: a service would hold states of a run that newer ones have replaced. What
    the function gives may not refer to it.

    Args:
        most: first arguments for which what was found is kept, the newest ones.
    """

    def keeping(function: Callable[Concatenate[Of, More], Found]) -> Callable[Concatenate[Of, More], Found]:
        kept: WeakKeyDictionary[Of, dict[tuple[object, ...], Found]] = WeakKeyDictionary()
        lock = Lock()  # pages and requests ask at once

        @wraps(function)
        def asked(of: Of, /, *more: More.args, **named: More.kwargs) -> Found:
            with lock:
                found = kept.setdefault(of, {})
                for oldest in list(kept)[:-most]:
                    del kept[oldest]
            key = (*more, *sorted(named.items()))
            if key not in found:
                found[key] = function(of, *more, **named)
            return found[key]

        return asked

    return keeping
