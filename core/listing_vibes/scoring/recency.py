"""What is recent at a moment, and what a score gains by it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from listing_vibes.market.log import DAY, EventLog, ranges
from listing_vibes.market.splits import Catalogue
from listing_vibes.scoring.exposure import Exposure

#: Of the dtype that counts have: with a number of another one `np.add.at` converts event by event, 25 times as slowly.
ONE = np.float32(1)


@dataclass(frozen=True, eq=False)
class RecentEvents:
    """Counts the wanted events of each listing in the `days` strictly before a moment, whoever caused them.

    At any moment it counts what a market would know then. Where there is an `exposure`, listings that are newer than the window
    count for the days before they came what listings had on average. A log without timestamps has no common clock, so "recent" is
    the last `events` events of each user instead, and the count is one for all moments.
    """

    days: int | None  # timed logs
    events: int | None  # untimed logs
    time: np.ndarray = field(repr=False)  # (N,) int64, ascending
    listing: np.ndarray = field(repr=False)  # (N,) int32, in the same order
    listings: int
    exposure: Exposure | None = field(default=None, repr=False)

    @classmethod
    def over_days(cls, log: EventLog, days: int, catalogue: Catalogue | None = None) -> RecentEvents:
        """Of a log with timestamps; with the `catalogue` it is known which listings are newer than the days."""
        order = np.argsort(log.time, kind="stable")
        if log.some_unwanted:
            order = order[log.wanted[order]]
        time = log.time[order]
        exposure = Exposure.of(int(time[0]), catalogue) if catalogue is not None and len(time) else None
        return cls(days, None, time, log.listing[order], log.listings, exposure)

    @classmethod
    def over_events(cls, log: EventLog, known: np.ndarray, events: int) -> RecentEvents:
        """Of a log that knows only the order within each user; `known` (N,) bool are the events that count at all."""
        rows = np.flatnonzero(known & log.wanted)
        end = np.bincount(log.user[rows], minlength=len(log.users)).cumsum()[log.user[rows]]
        recent = rows[end - np.arange(len(rows)) <= events]  # 1 at a user's last known event
        return cls(None, events, np.zeros(len(recent), np.int64), log.listing[recent], log.listings)

    @classmethod
    def of(
        cls,
        log: EventLog,
        known: np.ndarray,
        days: int | None,
        events: int | None,
        catalogue: Catalogue | None = None,
    ) -> RecentEvents:
        """By `days` where they are given, else by `events`, of which those are asked for where `known` (N,) holds."""
        if days is not None:
            return cls.over_days(log, days, catalogue)
        return cls.over_events(log, known, events or 0)

    @property
    def window(self) -> str:
        """What counts as recent, in words."""
        if self.days is None:
            return f"{self.events} events of each user"
        return f"{self.days} days" + (" and the mean for days before a listing came" if self.exposure else "")

    def counts(self, at: np.ndarray, listings: np.ndarray | None = None) -> np.ndarray:
        """(B, L) float32 at the moments `at` (B,); of the `listings` (C,) alone, one of which may stand there twice,
        (B, C)."""
        result = self._told(at, listings)
        if self.exposure is None or self.days is None:
            return result
        before = np.searchsorted(self.time, np.stack([at - self.days * DAY, at]), side="left")  # (2, B)
        return self.exposure.expected(result, at, self.days, before[1] - before[0], listings)

    def _told(self, at: np.ndarray, listings: np.ndarray | None) -> np.ndarray:
        """The events that there were, as `counts`."""
        if listings is None:
            return self._counts(at)
        query, again = np.unique(listings, return_inverse=True)
        twice = len(query) < len(listings)
        column = np.arange(len(query))
        if (
            not twice
        ):  # counted where they stand; to put (B, C) in order afterwards would take as long as to count
            column[again] = np.arange(len(query))
        order, start = self._by_listing
        count = start[query + 1] - start[query]  # (n,) events of each
        rows, of = order[ranges(start[query], count)], np.repeat(column, count)
        by_time = np.argsort(rows)  # the events stand in the order of time
        only = replace(self, time=self.time[rows[by_time]], listing=of[by_time], listings=len(query))
        result = only._counts(at)
        return result.take(again, axis=1) if twice else result

    @cached_property
    def _by_listing(self) -> tuple[np.ndarray, np.ndarray]:
        """The events (N,) listing by listing, and where those of each begin (L + 1,): a few listings are asked for in each step
        of a training, and then nobody looks through a whole log."""
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
        for row, since, until in zip(order, low, high, strict=True):  # the window slides:
            np.add.at(running, self.listing[right:until], ONE)  # what enters is added,
            np.subtract.at(running, self.listing[left:since], ONE)  # what leaves is taken away
            left, right = since, until
            counts[row] = running
        return counts


def recency_prior(counts: np.ndarray, weight: float = 1.0) -> np.ndarray:
    """float32: what a score gains, weight x log(1 + recent events); THE place where the prior is written.

    A logarithm, since the softmax of cosine / temperature + log(prior) is what logit adjustment asks for (Menon et al.
    2021, arXiv 2007.07314), here with a prior that moves with time.
    """
    # Counts are whole numbers, so adding 1 loses nothing; one array is made and worked on.
    result: np.ndarray = np.add(counts, 1, dtype=np.float32)
    np.log(result, out=result)
    result *= np.float32(weight)
    return result
