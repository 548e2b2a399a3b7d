"""What is worked out of an object once goes with it."""

import gc
import weakref

from listing_vibes.kept_with import kept_with


class Thing:
    """Something that can be referred to weakly."""


def test_it_is_worked_out_once_and_lets_go_of_what_it_was_asked_of():
    calls = []

    @kept_with(2)
    def worked_out(thing, more, by=1):
        calls.append(more)
        return more * by

    one, two = Thing(), Thing()
    assert [worked_out(one, 2), worked_out(one, 2), worked_out(one, 2, by=3), worked_out(two, 2)] == [
        2,
        2,
        6,
        2,
    ]
    assert calls == [2, 2, 2]
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None and worked_out(two, 2) == 2 and len(calls) == 3


def test_of_the_newest_alone():
    calls = []
    worked_out = kept_with(2)(lambda thing: calls.append(thing))
    things = [Thing() for _ in range(3)]
    for place in (0, 1, 2, 1, 2, 0):
        worked_out(things[place])
    assert [things.index(one) for one in calls] == [0, 1, 2, 0]
