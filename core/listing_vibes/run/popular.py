"""The list for an empty history: popular and recent listings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from listing_vibes.cache import Cache, cached_per_object
from listing_vibes.defaults import RECENT_DAYS
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.run_blend import MOMENTS
from listing_vibes.scoring.recency import RecentEvents

#: The name of the scorer of lists without a history.
POPULAR = "popular and recent listings"
#: The last events of each user that count as recent if events have no timestamps.
RECENT_EVENTS = 5


class Popular(NamedTuple):
    """The popularity of the listings of a market at a moment."""

    order: np.ndarray  # (L,) float32 integers; higher ones come first in the list
    recent: np.ndarray  # (L,) float32, recent events of each listing


class _Counts:
    """The wanted events of a market, prepared for counting at any moment."""

    def __init__(self, run: RunFolder) -> None:
        log = run.log
        days, last = (RECENT_DAYS, None) if log.timed else (None, RECENT_EVENTS)
        self._recent = RecentEvents.of(log, log.is_positive, days, last)
        self._time, self._listing = log.time[log.is_positive], log.listing[log.is_positive]
        self._published, _ = run.market.live_interval()
        self._by_moment: Cache[int, Popular] = Cache(MOMENTS)

    def at(self, moment: int) -> Popular:
        """See `popular_at`."""
        return self._by_moment.get(moment, lambda: self._count(moment))

    def _count(self, moment: int) -> Popular:
        listings = len(self._published)
        recent = np.array(self._recent.counts(np.array([moment]))[0])
        total = np.bincount(self._listing[self._time < moment], minlength=listings)
        # Inverted, since the smallest integer, which marks an unknown publication date, has no negative.
        rows = np.lexsort((~self._published, -total, -recent))
        order = np.empty(listings, np.float32)
        order[rows] = np.arange(listings, 0, -1)
        return Popular(order, recent)


_counts = cached_per_object(_Counts)


def popular_at(run: RunFolder, at: int) -> Popular:
    """Return the popularity of the listings of a run at a moment in the log's time.

    Listings with more events in the last `RECENT_DAYS` days come first (without timestamps: among the last events of each
    user). Ties are broken by more events before the moment, then by a newer publication date, then by the table's order.
    """
    return _counts(run).at(run.counted_at(at))
