"""Temporal and leave-one-out splits, and the queries of the evaluation (design: the protocol)."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.market import Market

Protocol = Literal["temporal", "leave-one-out"]
FOREVER = np.iinfo(np.int64).max
NO_EVENTS = (
    "This market has no events that can be used, so there is nothing to train on or to evaluate. `vibes embed MARKET RUN` "
    "compares its listings by photos and attributes, and `vibes recommend RUN --history FILE` then recommends for a history."
)
#: Share of the training events after a user's first that go back to a listing of theirs, from which on the history stays among
#: the candidates of leave-one-out: on Amazon (.6 %) it takes places among the first ten that are worth .02 of recall.
RETURNING = 0.02


@dataclass(frozen=True, eq=False)
class Queries:
    """Q moments at which a next listing is to be predicted.

    The history of query q is the rows `start[q] : end[q]` of the log, oldest first. Its candidates are the listings
    live at `at[q]` without those of the history where `masked`, else all listings (leave-one-out where users return, and in
    papers); all without those of the history where they need not be `live`.
    """

    event: np.ndarray  # (Q,) int64, row of the target event in the log, -1 where nothing is to be predicted
    user: np.ndarray  # (Q,) int32
    target: np.ndarray  # (Q,) int32, row of the target listing, -1 where there is none
    at: np.ndarray  # (Q,) int64, the moment (time of the log)
    start: np.ndarray  # (Q,) int64
    end: np.ndarray  # (Q,) int64
    masked: bool
    live: bool = True

    def __len__(self) -> int:
        return len(self.event)

    def take(self, rows: np.ndarray | slice) -> "Queries":
        """The queries at `rows`."""
        parts = (self.event, self.user, self.target, self.at, self.start, self.end)
        event, user, target, at, start, end = (part[rows] for part in parts)
        return Queries(event, user, target, at, start, end, self.masked, self.live)

    @property
    def length(self) -> np.ndarray:
        """(Q,) how many events each history has."""
        return self.end - self.start


@dataclass(frozen=True, eq=False)
class Split:
    """Which events train, and the queries of validation and test."""

    protocol: Protocol
    t1: int | None  # training ends (exclusive), nanoseconds UTC; None for leave-one-out
    t2: int | None  # validation ends (exclusive)
    train: np.ndarray  # (N,) bool, wanted events alone: what is not wanted stays in histories
    valid: Queries
    test: Queries

    def with_history(self, hidden: bool | None) -> "Split":
        """Return the same queries with what is in the history no candidate (`hidden`), or among the candidates, as papers have
        leave-one-out; None: as they are.

        Where the history is hidden in leave-one-out, all other listings stay candidates, and a target that the user interacted with
        before is a miss for every scorer.

        Raises:
            VibesError: temporal asks for what is new to a user, so its history is always hidden.
        """
        if hidden is None:
            return self
        if self.protocol == "temporal" and not hidden:
            raise VibesError(
                "The protocol temporal asks for listings that are new to a user, so the history is never among its candidates; "
                "leave out --keep-history, or use --protocol leave-one-out."
            )
        live = self.protocol == "temporal"
        valid, test = (replace(queries, masked=hidden, live=live) for queries in (self.valid, self.test))
        return replace(self, valid=valid, test=test)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """When listings are live: `since` <= moment < `until`, both (L,) int64 nanoseconds UTC."""

    since: np.ndarray
    until: np.ndarray

    @classmethod
    def of(cls, market: Market) -> "Catalogue":
        """When the listings of `market` are live; always, where its events have no timestamps to compare with."""
        since, until = market.live_interval()
        if not market.timed:
            since, until = np.full_like(since, np.iinfo(np.int64).min), np.full_like(until, FOREVER)
        return cls(since, until)

    def live(self, at: np.ndarray | int, listings: np.ndarray | slice = slice(None)) -> np.ndarray:
        """bool: which of the `listings` (rows, all by default) are live at the moments `at`, broadcast as numpy does:
        one moment gives (L,), moments (Q, 1) give (Q, L), moments (n,) of rows (n,) give (n,)."""
        active: np.ndarray = self.since[listings] <= at
        if self._expires:
            active &= at < self.until[listings]
        return active

    def during(self, begin: int, end: int) -> np.ndarray:
        """(L,) bool: which listings are live at some time from `begin` to before `end`; one that ends as it begins never is."""
        active: np.ndarray = (self.since < end) & (self.until > begin) & (self.since < self.until)
        return active

    @cached_property
    def _expires(self) -> bool:
        """Whether any listing has an end; of a million for many moments each comparison is a pass over all."""
        return bool((self.until < FOREVER).any())

    def candidates(self, log: EventLog, queries: Queries) -> np.ndarray:
        """Return (Q, L) bool: which listings each query may recommend."""
        allowed = np.ones((len(queries), log.listings), bool)
        if not queries.masked:
            if log.some_unwanted:
                allowed[log.not_this(queries.start, queries.end)] = False
            return allowed
        if queries.live:
            allowed = self.live(queries.at[:, None])
        rows = np.repeat(np.arange(len(queries)), queries.length)
        allowed[rows, log.listing[ranges(queries.start, queries.length)]] = False
        return allowed


def make_split(
    log: EventLog,
    catalogue: Catalogue,
    protocol: Protocol | None = None,
    t1: int | None = None,
    t2: int | None = None,
) -> Split:
    """Split a log; the default is temporal where there are timestamps, with T1 and T2 at 70 % and 80 % of the events.

    In leave-one-out what is in the history is no candidate, as in lists, unless 2 % of the training events go back to a listing.

    Raises:
        VibesError: temporal was asked of a log without timestamps, T1 and T2 are out of order, or nothing trains.
    """
    protocol = protocol or ("temporal" if log.timed else "leave-one-out")
    if protocol == "temporal":
        return _temporal(log, catalogue, t1, t2)
    if len(log) == 0:
        raise VibesError(NO_EVENTS)
    return _leave_one_out(log)


def choosing(split: Split, log: EventLog, catalogue: Catalogue) -> Split:
    """What the settings of a scorer are chosen by: `split`, or where it validates nothing (a refit, which trains until the test
    begins) one of what trains, the last eighth of it as validation, as T1 and T2 leave it by default."""
    if len(split.valid) or split.protocol != "temporal" or not split.train.any():
        return split
    t1 = int(np.quantile(log.time[split.train], 7 / 8, method="lower"))
    train = split.train & (log.time < t1)
    if not train.any():
        return split
    valid = _next_listing(log, catalogue, log.before, split.train & (log.time >= t1))
    return replace(split, t1=t1, train=train, valid=valid) if len(valid) else split


def _temporal(log: EventLog, catalogue: Catalogue, t1: int | None, t2: int | None) -> Split:
    if not log.timed:
        raise VibesError(
            "The events have no timestamps, so --protocol temporal is not possible; use leave-one-out."
        )
    if len(log) == 0:
        raise VibesError(NO_EVENTS)
    first, second = np.quantile(log.time, [0.7, 0.8], method="lower")
    t1, t2 = int(first) if t1 is None else t1, int(second) if t2 is None else t2
    if not t1 <= t2:
        raise VibesError("Training must end before validation ends; give a T1 that is not after T2.")
    before, train = log.before, (log.time < t1) & log.wanted
    if not train.any():
        raise VibesError(
            "No event lies before T1, where training ends (by default behind 70 % of the events), so nothing would train; add "
            "events of earlier days, or use --protocol leave-one-out."
        )
    return Split(
        protocol="temporal",
        t1=t1,
        t2=t2,
        train=train,
        valid=_next_listing(log, catalogue, before, (log.time >= t1) & (log.time < t2)),
        test=_next_listing(log, catalogue, before, log.time >= t2),
    )


def _next_listing(log: EventLog, catalogue: Catalogue, before: np.ndarray, chosen: np.ndarray) -> Queries:
    """Queries at the chosen wanted events: with a history, on a listing that is live and not yet in the history."""
    event = np.flatnonzero(chosen & log.wanted & (before > log.start[log.user]))
    user, target, at = log.user[event], log.listing[event], log.time[event]
    event = event[catalogue.live(at, target) & log.first_touch[event]]
    user, target, at = log.user[event], log.listing[event], log.time[event]
    return Queries(event, user, target, at, log.start[user], before[event], masked=True)


def _leave_one_out(log: EventLog) -> Split:
    requested = np.flatnonzero(log.wanted)
    end = np.searchsorted(
        log.user[requested], np.arange(1, len(log.users) + 1)
    )  # (U,) behind each user's wanted events
    users = np.flatnonzero(np.diff(end, prepend=0) >= 3)
    last, before = requested[end[users] - 1], requested[end[users] - 2]
    train = log.wanted.copy()
    train[last] = train[before] = False

    def at(rows: np.ndarray) -> Queries:
        user, target, moment = users.astype(np.int32), log.listing[rows], log.time[rows]
        return Queries(rows, user, target, moment, log.start[users], rows, masked=False)

    split = Split("leave-one-out", None, None, train, valid=at(before), test=at(last))
    return split.with_history(hidden=returning(log, train) < RETURNING)


def returning(log: EventLog, train: np.ndarray) -> float:
    """The share of events where `train` (N,) holds, but for users' first ones, that go back to a listing of their user."""
    later = train & (np.arange(len(log)) > log.start[log.user])
    return float((~log.first_touch[later]).mean()) if later.any() else 0.0
