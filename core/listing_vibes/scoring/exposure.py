"""Expected recent events of listings that are newer than the window of days."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from listing_vibes.market.log import DAY
from listing_vibes.market.splits import Catalogue


@dataclass(frozen=True, eq=False)
class Exposure:
    """The time that listings have been active, for counts of recent events.

    Counting the events of 60 days ranks a listing of yesterday behind all older ones. Therefore the mean of all listings is added
    for the days before a listing was published. Its first days are not extrapolated, since new listings are often shown first and
    get more events than later.
    """

    first: int  # the moment of the first event, nanoseconds
    since: np.ndarray = field(repr=False)  # (L,) int64, when a listing was published, at least `first`
    until: np.ndarray = field(repr=False)  # (L,) int64, when it expires

    @classmethod
    def of(cls, first: int, catalogue: Catalogue) -> Exposure | None:
        """Return the exposure for a log that starts at `first`; None if all listings were published by then."""
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
        """Add to `counts` (B, C) float32, in place, the expected events of listings that are newer than the window.

        Args:
            counts: the events of `listings` (C,), or of all, in the `days` before the moments `at` (B,).
            events: (B,) the events of all listings in this window.
        """
        begin = np.maximum(at - days * DAY, self.first)  # (B,)
        query = np.flatnonzero(events > 0)  # (b,), each of them later than `begin`
        since = self.since if listings is None else self.since[listings]  # (C,)
        new = np.flatnonzero(since > begin[query].min(initial=np.iinfo(np.int64).max))  # (n,)
        if not len(new):
            return counts
        begin, at = begin[query], at[query]
        width = (at - begin).astype(np.float64)
        # Listings may have events before their publication date, so at least one listing is assumed to be active.
        lived = np.maximum(self._lived(at) - self._lived(begin), width)  # (b,)
        mean = events[query] * width / lived  # (b,) of a listing that is active in the full window
        missed = self._days(since[new]) - self._days(begin)[:, None]  # (b, n) float32, changed in place
        missed /= (width / DAY).astype(np.float32)[:, None]
        np.clip(missed, 0, 1, out=missed)
        missed *= mean.astype(np.float32)[:, None]
        counts[np.ix_(query, new)] += missed
        return counts

    def _days(self, moments: np.ndarray) -> np.ndarray:
        """Return float32 days since the first event, exact to some seconds, in the shape of `moments`."""
        return ((moments - self.first) / DAY).astype(np.float32)

    def _lived(self, at: np.ndarray) -> np.ndarray:
        """Return the summed active time (B,) float64 of all listings until the moments `at`, in nanoseconds."""
        return _passed(self._came, at) - _passed(self._went, at)

    @cached_property
    def _came(self) -> tuple[np.ndarray, np.ndarray]:
        return _summed(self.since)

    @cached_property
    def _went(self) -> tuple[np.ndarray, np.ndarray]:
        return _summed(self.until)


def _summed(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the moments in ascending order (L,), and their cumulative sums (L + 1,)."""
    ascending = np.sort(moments)
    return ascending, np.append(0.0, np.cumsum(ascending, dtype=np.float64))


def _passed(moments: tuple[np.ndarray, np.ndarray], at: np.ndarray) -> np.ndarray:
    """Return (B,) float64: for each of `at` (B,), the summed time since all earlier `moments`."""
    ascending, sums = moments
    count = np.searchsorted(ascending, at)
    return np.asarray(count * at.astype(np.float64) - sums[count])
