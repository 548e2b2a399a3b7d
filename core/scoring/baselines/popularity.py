"""Popularity in training, and popularity just before the moment of prediction."""

from dataclasses import dataclass, field, replace

import numpy as np

from core.market.log import DAY, EventLog
from core.market.splits import Catalogue, Queries, Split
from core.scoring.baselines.tuning import best, validation_sample

WINDOWS = (60, 30, 120, 240)  # days; the first is taken where nothing can be tuned
LAST_EVENTS = (5, 1, 2, 10, 20)  # events a user, where there are no timestamps


@dataclass(frozen=True, eq=False)
class Popularity:
    """The number of training events of each listing, for everybody the same."""

    counts: np.ndarray = field(repr=False)  # (L,) float32
    name: str = "popularity"

    @classmethod
    def fit(cls, log: EventLog, train: np.ndarray) -> "Popularity":
        """Count the events where `train` (N,) holds."""
        return cls(log.counts(train).astype(np.float32))

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32."""
        return np.broadcast_to(self.counts, (len(batch), len(self.counts)))


@dataclass(frozen=True, eq=False)
class RecentPopularity:
    """The number of events of each listing in the `days` strictly before a query's moment, whoever caused them.

    It is not trained: at any moment it counts what a market would know then. A log without timestamps has no common
    clock, so "recent" is the last `events` training events of each user instead, and the score is one for all.
    """

    days: int | None  # timed logs
    events: int | None  # untimed logs
    time: np.ndarray = field(repr=False)  # (N,) int64, ascending
    listing: np.ndarray = field(repr=False)  # (N,) int32, in the same order
    listings: int
    name: str = "recent popularity"

    @classmethod
    def over_days(cls, log: EventLog, days: int) -> "RecentPopularity":
        """Of a log with timestamps."""
        order = np.argsort(log.time, kind="stable")
        return cls(days, None, log.time[order], log.listing[order], log.listings)

    @classmethod
    def over_events(cls, log: EventLog, train: np.ndarray, events: int) -> "RecentPopularity":
        """Of a log that knows only the order within each user."""
        rows = np.flatnonzero(train)
        end = np.bincount(log.user[rows], minlength=len(log.users)).cumsum()[log.user[rows]]
        recent = rows[end - np.arange(len(rows)) <= events]  # 1 at a user's last training event
        return cls(None, events, np.zeros(len(recent), np.int64), log.listing[recent], log.listings)

    @classmethod
    def tune(cls, log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0) -> "RecentPopularity":
        """The window with the best validation recall@30."""
        if log.timed:
            trials = (cls.over_days(log, days) for days in WINDOWS)
        else:
            trials = (cls.over_events(log, split.train, events) for events in LAST_EVENTS)
        return best(trials, log, validation_sample(split, seed), catalogue)

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32."""
        return self._counts(batch.at)

    def counts(self, at: np.ndarray, listings: np.ndarray) -> np.ndarray:
        """(B, C) float32: the events of the `listings` (C,), one of which may stand there twice, that are recent at the
        moments `at` (B,)."""
        asked, again = np.unique(listings, return_inverse=True)
        place = np.full(self.listings, -1)
        place[asked] = np.arange(len(asked))
        column = place[self.listing]
        mine = column >= 0
        only = replace(self, time=self.time[mine], listing=column[mine], listings=len(asked))
        return only._counts(at).take(again, axis=1)

    def _counts(self, at: np.ndarray) -> np.ndarray:
        """(B, L) float32 at the moments `at` (B,)."""
        if self.days is None:
            counts = np.bincount(self.listing, minlength=self.listings).astype(np.float32)
            return np.broadcast_to(counts, (len(at), self.listings))
        moments, which = np.unique(at, return_inverse=True)  # (T,)
        high = np.searchsorted(self.time, moments, side="left")  # strictly before the moment
        low = np.searchsorted(self.time, moments - self.days * DAY, side="left")
        counts = np.zeros((len(moments), self.listings), np.float32)
        running = np.zeros(self.listings, np.float32)
        left = right = low[0] if len(moments) else 0
        for row in range(len(moments)):  # the window slides: what enters is added, what leaves is taken away
            np.add.at(running, self.listing[right : high[row]], 1)
            np.subtract.at(running, self.listing[left : low[row]], 1)
            left, right = low[row], high[row]
            counts[row] = running
        return counts[which]
