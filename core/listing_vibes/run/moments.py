"""A small cache of what was made for a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Made = TypeVar("Made")
#: Moments whose masks and indexes are kept.
KEPT = 4


def keep_some(kept: dict[Key, Made], key: Key, make: Callable[[], Made]) -> Made:
    """Return what `kept` has of `key`, or make it; then drop the oldest moments where there are many.

    Pages ask from several threads: what one of them was given another may have forgotten by the next line.
    """
    try:
        return kept[key]
    except KeyError:
        pass
    made = make()
    for old in [one for one in list(kept) if one is not None][: max(0, len(kept) - KEPT)]:
        kept.pop(old, None)
    kept[key] = made
    return made
