"""The days of a market: active listings and events by day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from listing_vibes.cache import cached_per_object
from listing_vibes.market.log import DAY, EventLog
from listing_vibes.market.splits import Catalogue
from listing_vibes.run.run import Run

LIVE, MOST = 128, 127  # parts of a listing's byte: the flag, and the maximum count of events


@dataclass(frozen=True, eq=False)
class MarketDays:
    """D days (UTC) from the first to the last event, numbered from 0; L listings."""

    first: int  # days since 1970
    catalogue: Catalogue
    listing: np.ndarray  # (N,) int32, the listings of all events, day by day
    start: np.ndarray  # (D + 1,) int64, first event of each day

    @classmethod
    def of(cls, log: EventLog, catalogue: Catalogue) -> MarketDays | None:
        """Return the days of a log; None if events have no times, or all are on one day."""
        if not log.timed or not len(log):
            return None
        day = log.time // DAY
        first, last = int(day.min()), int(day.max())
        if first == last:
            return None
        order = np.argsort(day, kind="stable")
        order = order[log.is_positive[order]]
        start = np.searchsorted(day[order], np.arange(first, last + 2))
        return cls(first, catalogue, log.listing[order], start)

    def __len__(self) -> int:
        return len(self.start) - 1

    def begin(self, day: int) -> int:
        """Return the start of a day, in the log's time."""
        return (self.first + day) * DAY

    def date(self, day: int) -> str:
        """Return a day as 2025-03-01."""
        return str(np.datetime64(self.first + day, "D"))

    def number(self, date: str) -> int | None:
        """Return the number of a day; None if the text is not a date, or outside the range."""
        try:
            result = int(pd.Timestamp(date).value // DAY) - self.first
        except (ValueError, TypeError, OverflowError):  # pandas' errors are subclasses
            return None
        return result if 0 <= result < len(self) else None

    def live(self, day: int) -> np.ndarray:
        """Return which listings were active at some time of the day, (L,) bool."""
        return self.catalogue.during(self.begin(day), self.begin(day + 1))

    def touched(self, day: int) -> np.ndarray:
        """Return the number of events of each listing on a day, (L,) int64."""
        events = self.listing[self.start[day] : self.start[day + 1]]
        return np.bincount(events, minlength=len(self.catalogue.since))

    def codes(self, day: int, rows: np.ndarray) -> np.ndarray:
        """Return a code (n,) uint8 for listings by their rows (n,): `LIVE` if active that day, plus its events, up to `MOST`."""
        touched = np.minimum(self.touched(day)[rows], MOST)
        return np.asarray(np.where(self.live(day)[rows], LIVE, 0) + touched, np.uint8)


@cached_per_object
def market_days(run: Run) -> MarketDays | None:
    """Return the days of a run's market; None if its events have no times, or all are on one day."""
    return MarketDays.of(run.log, run.catalogue)
