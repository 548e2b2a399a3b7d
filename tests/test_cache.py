"""A cache makes each value once, of the newest keys alone, also where threads and other keys ask meanwhile."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

from listing_vibes.cache import Cache, cached_per_object


def test_values_are_made_once_and_the_oldest_is_dropped():
    made: list[int] = []
    cache: Cache[int, int] = Cache(2)

    def ask(key: int) -> int:
        return cache.get(key, lambda: made.append(key) or key * 10)

    assert [ask(key) for key in (1, 2, 1, 3, 2, 1)] == [10, 20, 10, 30, 20, 10]
    assert made == [1, 2, 3, 1] and len(cache) == 2
    assert Cache(0).get(1, lambda: 5) == 5  # as where other threads made room for their keys at once


def test_a_value_may_be_made_of_another_one_and_by_many_threads():
    cache: Cache[int, int] = Cache(3)

    def ask(key: int) -> int:
        return cache.get(key, lambda: 1 if key == 0 else 2 * ask(key - 1))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, [9] * 50 + [4] * 50)) == [512] * 50 + [16] * 50


class Owner:
    """Something that can be referred to weakly."""


def test_what_is_cached_of_an_object_goes_with_it():
    calls = []

    @cached_per_object
    def multiply(owner, number, by=1):
        calls.append(number)
        return number * by

    one, two = Owner(), Owner()
    assert [multiply(one, 2), multiply(one, 2), multiply(one, 2, by=3), multiply(two, 2)] == [2, 2, 6, 2]
    assert calls == [2, 2, 2]
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None and multiply(two, 2) == 2 and len(calls) == 3
