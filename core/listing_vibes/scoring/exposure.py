"""What listings that are newer than a window of days would have had in all of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from listing_vibes.market.log import DAY
from listing_vibes.market.splits import Catalogue


@dataclass(frozen=True, eq=False)
class Exposure:
    """How long listings have been there, for counts of recent events.

    Whoever counts the events of 60 days puts a listing of yesterday behind all that were there before, whatever it is. So for
    the days before it came it counts what listings had on average. Its own first days are not drawn out to
    all of them: what is new is often shown first, and touched more than it will be.
    """

    first: int  # the moment since when events are known, nanoseconds
    since: np.ndarray = field(repr=False)  # (L,) int64, when a listing came, not before `first`
    until: np.ndarray = field(repr=False)  # (L,) int64, when it went

    @classmethod
    def of(cls, first: int, catalogue: Catalogue) -> Exposure | None:
        """Of a log whose events begin at `first`; None where all listings were there by then."""
        since = np.maximum(catalogue.since, first)
        return cls(first, since, catalogue.until) if (since > first).any() else None

    def expected(
        self,
        counts: np.ndarray,
        at: np.ndarray,
        days: int,
        events: np.ndarray,
        listings: np.ndarray | None = None,
    ) -> np.ndarray:
        """(B, C) float32: `counts` (B, C), which it changes, with what newer ones of the `listings` (C,), all by default, would have had.

        They were counted over `days` before the moments `at` (B,), when `events` (B,) touched any listing.
        """
        begin = np.maximum(at - days * DAY, self.first)  # (B,)
        query = np.flatnonzero(events > 0)  # (b,), each of them later than `begin`
        since = self.since if listings is None else self.since[listings]  # (C,)
        new = np.flatnonzero(since > begin[query].min(initial=np.iinfo(np.int64).max))  # (n,)
        if not len(new):
            return counts
        begin, at = begin[query], at[query]
        width = (at - begin).astype(np.float64)
        # Of events before a listing came nobody knows how long it was there: as long as one, at least.
        lived = np.maximum(self._lived(at) - self._lived(begin), width)  # (b,)
        mean = events[query] * width / lived  # (b,) of a listing that was there all the time
        missed = self._days(since[new]) - self._days(begin)[:, None]  # (b, n) float32, and worked on in place
        missed /= (width / DAY).astype(np.float32)[:, None]
        np.clip(missed, 0, 1, out=missed)
        missed *= mean.astype(np.float32)[:, None]
        counts[np.ix_(query, new)] += missed
        return counts

    def _days(self, moments: np.ndarray) -> np.ndarray:
        """float32, as `moments` is: days since the first event, exact to some seconds."""
        return ((moments - self.first) / DAY).astype(np.float32)

    def _lived(self, at: np.ndarray) -> np.ndarray:
        """(B,) float64: how long all listings together had been there by the moments `at`, nanoseconds."""
        return _passed(self._came, at) - _passed(self._went, at)

    @cached_property
    def _came(self) -> tuple[np.ndarray, np.ndarray]:
        return _summed(self.since)

    @cached_property
    def _went(self) -> tuple[np.ndarray, np.ndarray]:
        return _summed(self.until)


def _summed(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The moments in ascending order (L,), and the sum of the first of them (L + 1,)."""
    ascending = np.sort(moments)
    return ascending, np.append(0.0, np.cumsum(ascending, dtype=np.float64))


def _passed(moments: tuple[np.ndarray, np.ndarray], at: np.ndarray) -> np.ndarray:
    """(B,) float64: the time since each of the `moments` that `at` (B,) lies behind, in sum."""
    ascending, sums = moments
    count = np.searchsorted(ascending, at)
    return np.asarray(count * at.astype(np.float64) - sums[count])
