"""How far the drawing of a map is, as one count over all its spaces, with the seconds that are left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from listing_vibes.progress import Counted, Report, silent

#: What is done for each space, in this order.
STEPS = ("comparing listings", "joining what is alike", "placing listings", "finding groups")
COVERS = "looking at covers"
WHOLE = 100  # parts in which a drawing is counted
#: Seconds on one core: a multiplication and addition; a listing that is joined, moved once, put into a group; a cover. And once,
#: what is loaded and compiled.
MULTIPLIED, JOINED, MOVED, GROUPED, LOOKED_AT, COMPILED = 8e-12, 1.5e-4, 4.5e-6, 1e-4, 4e-3, 12.0
TRUSTED = 5.0  # seconds of work as expected, against which the machine's own pace is weighed


def expected(listings: int, width: int, epochs: int, first: bool) -> tuple[float, ...]:
    """Seconds that each of `STEPS` is expected to take for vectors (listings, width)."""
    joined = JOINED * listings + (COMPILED if first else 0.0)
    return MULTIPLIED * listings**2 * width, joined, MOVED * listings * epochs, GROUPED * listings


class Pace:
    """Tells `report` how much of `parts`, (name, seconds it is expected to take) in their order, is done, in hundredths."""

    def __init__(self, parts: Sequence[tuple[str, float]], report: Report | None) -> None:
        self._parts, self._report = parts, report or silent
        self._began = time.monotonic()

    def tell(self, part: int, share: float) -> None:
        """`share` (0 to 1) of the part at this place in the list is done, and all parts before it."""
        whole = max(sum(seconds for _, seconds in self._parts), 1e-9)
        done = sum(seconds for _, seconds in self._parts[:part]) + share * self._parts[part][1]
        slowness = (time.monotonic() - self._began + TRUSTED) / (done + TRUSTED)
        self._report(Counted(self._parts[part][0], WHOLE * done / whole, WHOLE, (whole - done) * slowness))

    def from_part(self, first: int) -> Callable[[int, float], None]:
        """`tell`, where parts are counted from `first` on."""
        return lambda part, share: self.tell(first + part, share)
