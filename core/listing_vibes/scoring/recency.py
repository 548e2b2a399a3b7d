"""Counts of recent events at a moment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from listing_vibes.defaults import RECENT_DAYS
from listing_vibes.market.log import DAY, EventLog, ranges

#: 1 in the dtype of counts, since `np.add.at` is 25 times as slow with another dtype.
ONE = np.float32(1)
#: The last events of each user that count as recent where events have no timestamps.
RECENT_EVENTS = 5


@dataclass(frozen=True, eq=False)
class RecentEvents:
    """Counts the wanted events of each listing, by all users, in the `days` strictly before a moment.

    Without timestamps the last events of each user count as recent, and the counts are the same at all moments.
    """

    days: int | None  # None: of a log without timestamps
    time: np.ndarray = field(repr=False)  # (N,) int64, ascending
    listing: np.ndarray = field(repr=False)  # (N,) int32, in the same order
    listings: int

    @classmethod
    def of(cls, log: EventLog, counted: np.ndarray) -> RecentEvents:
        """Count in a log: over days or, without timestamps, among the last events `counted` (N,) bool of each user."""
        return cls.over_days(log) if log.timed else cls.over_events(log, counted)

    @classmethod
    def over_days(cls, log: EventLog, days: int = RECENT_DAYS) -> RecentEvents:
        """Count in a log with timestamps."""
        order = np.argsort(log.time, kind="stable")
        if log.has_negatives:
            order = order[log.is_positive[order]]
        return cls(days, log.time[order], log.listing[order], log.listings)

    @classmethod
    def over_events(cls, log: EventLog, counted: np.ndarray, events: int = RECENT_EVENTS) -> RecentEvents:
        """Count in a log without timestamps, among the events `counted` (N,) bool."""
        rows = np.flatnonzero(counted & log.is_positive)
        end = np.bincount(log.user[rows], minlength=len(log.users)).cumsum()[log.user[rows]]
        recent = rows[end - np.arange(len(rows)) <= events]  # The difference is 1 at a user's last event.
        return cls(None, np.zeros(len(recent), np.int64), log.listing[recent], log.listings)

    def counts(self, at: np.ndarray, listings: np.ndarray | None = None) -> np.ndarray:
        """Return counts (B, L) float32 at the moments `at` (B,), or (B, C) of `listings` (C,), which may have duplicates."""
        if listings is None:
            return self._counts(at)
        order, start = self._by_listing
        count = start[listings + 1] - start[listings]  # (C,) events of each listing
        rows, of = order[ranges(start[listings], count)], np.repeat(np.arange(len(listings)), count)
        by_time = np.argsort(rows)  # Events are sorted by time.
        return replace(
            self, time=self.time[rows[by_time]], listing=of[by_time], listings=len(listings)
        )._counts(at)

    @cached_property
    def _by_listing(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the events (N,) sorted by listing, and the first position of each listing (L + 1,).

        A training step needs the counts of a few listings, which does not require a pass through the log.
        """
        order = np.argsort(self.listing, kind="stable").astype(np.int32)
        start = np.append(0, np.cumsum(np.bincount(self.listing, minlength=self.listings)))
        return order, start

    def _counts(self, at: np.ndarray) -> np.ndarray:
        if self.days is None:
            counts = np.bincount(self.listing, minlength=self.listings).astype(np.float32)
            return np.broadcast_to(counts, (len(at), self.listings))
        order = np.argsort(at, kind="stable")
        high = np.searchsorted(self.time, at[order], side="left")  # strictly before the moment
        low = np.searchsorted(self.time, at[order] - self.days * DAY, side="left")
        counts = np.empty((len(at), self.listings), np.float32)
        running = np.zeros(self.listings, np.float32)
        left = right = low[0] if len(at) else 0
        for row, since, until in zip(order, low, high, strict=True):  # The window slides:
            np.add.at(running, self.listing[right:until], ONE)  # new events are added,
            np.subtract.at(running, self.listing[left:since], ONE)  # and old ones subtracted.
            left, right = since, until
            counts[row] = running
        return counts


def log_counts(counts: np.ndarray) -> np.ndarray:
    """Return log(1 + counts), float32.

    Added to cosine / temperature in a softmax it is a logit adjustment (Menon et al. 2021, arXiv 2007.07314), here by a prior that
    changes over time.
    """
    return np.asarray(np.log1p(counts, dtype=np.float32))
