"""Temporal and leave-one-out splits, and the queries of the evaluation."""

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
#: The share of repeat events (after a user's first training event, on an earlier listing of the user) from which on the history
#: stays among the candidates of leave-one-out. On Amazon (.6 %) hiding the history raises recall@10 by .02.
RETURNING = 0.02


class NoTrainingEvents(VibesError):
    """No event lies before the end of training."""


@dataclass(frozen=True, eq=False)
class Queries:
    """Q moments at which the next listing is to be predicted.

    The history of query q is the rows `start[q] : end[q]` of the log, oldest first. Its candidates are the listings that are
    active at `at[q]`, or all listings where `live` is False; `masked` excludes those of the history (in leave-one-out, papers
    and markets with repeat events do not exclude them).
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
        """Return the queries at `rows`."""
        columns = ("event", "user", "target", "at", "start", "end")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def sample(self, most: int, rng: np.random.Generator) -> "Queries":
        """Return at most `most` of the queries, sampled without replacement, in their order."""
        if len(self) <= most:
            return self
        return self.take(np.sort(rng.choice(len(self), most, replace=False)))

    @property
    def length(self) -> np.ndarray:
        """(Q,) the length of each history."""
        return np.asarray(self.end - self.start)


@dataclass(frozen=True, eq=False)
class Split:
    """The training events, and the queries of validation and test."""

    protocol: Protocol
    t1: int | None  # training ends (exclusive), nanoseconds UTC; None for leave-one-out
    t2: int | None  # validation ends (exclusive)
    train: np.ndarray  # (N,) bool, positive events only; negative ones stay in histories
    valid: Queries
    test: Queries

    def with_history(self, hidden: bool | None) -> "Split":
        """Return the same queries with the history excluded from the candidates (`hidden`) or included, as papers do in
        leave-one-out; None: unchanged.

        Where leave-one-out excludes the history, all other listings stay candidates, and a target that the user interacted with
        before is a miss for every scorer.

        Raises:
            VibesError: the split is temporal, which always excludes the history.
        """
        if hidden is None:
            return self
        if self.protocol == "temporal" and not hidden:
            raise VibesError(
                "The protocol temporal predicts listings that are new to a user, so it always excludes the history; "
                "leave out hide_history=False, or use --protocol leave-one-out."
            )
        live = self.protocol == "temporal"
        valid, test = (replace(queries, masked=hidden, live=live) for queries in (self.valid, self.test))
        return replace(self, valid=valid, test=test)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """When listings are active: `since` <= moment < `until`, both (L,) int64 nanoseconds UTC."""

    since: np.ndarray
    until: np.ndarray

    @classmethod
    def of(cls, market: Market) -> "Catalogue":
        """Return when the listings of `market` are active; always, where its events have no timestamps."""
        since, until = market.live_interval()
        if not market.timed:
            since, until = np.full_like(since, np.iinfo(np.int64).min), np.full_like(until, FOREVER)
        return cls(since, until)

    def live(self, at: np.ndarray | int, listings: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return bool: which of the `listings` (rows, all by default) are active at the moments `at`, with numpy's broadcasting:
        one moment gives (L,), moments (Q, 1) give (Q, L), moments (n,) of rows (n,) give (n,).
        """
        active: np.ndarray = self.since[listings] <= at
        if self._expires:
            active &= at < self.until[listings]
        return active

    def during(self, begin: int, end: int) -> np.ndarray:
        """Return (L,) bool: which listings are active at some time from `begin` to before `end`; one with `until` <= `since` never is."""
        return np.asarray((self.since < end) & (self.until > begin) & (self.since < self.until))

    @cached_property
    def _expires(self) -> bool:
        """Whether any listing expires; for a million listings each comparison is expensive."""
        return bool((self.until < FOREVER).any())

    @cached_property
    def _newest(self) -> int:
        """The last moment at which a listing becomes active."""
        return int(self.since.max())

    def candidates(self, log: EventLog, queries: Queries) -> np.ndarray:
        """Return (Q, L) bool: which listings each query may recommend."""
        changes = len(queries) > 0 and (self._expires or self._newest > queries.at.min())
        if queries.masked and queries.live and changes:
            allowed = self.live(queries.at[:, None])
        else:
            allowed = np.ones((len(queries), log.listings), bool)
        if not queries.masked:
            if log.has_negatives:
                allowed[log.negatives(queries.start, queries.end)] = False
            return allowed
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
    """Split a log; by default temporally where there are timestamps, with T1 and T2 at 70 % and 80 % of the events.

    Leave-one-out excludes the history from the candidates, as recommendations do, unless 2 % of the training events repeat a listing.

    Raises:
        VibesError: a temporal split of a log without timestamps, T1 after T2, or no training events.
    """
    protocol = protocol or ("temporal" if log.timed else "leave-one-out")
    if len(log) == 0:
        raise VibesError(NO_EVENTS)
    return _temporal(log, catalogue, t1, t2) if protocol == "temporal" else _leave_one_out(log)


def choosing(split: Split, log: EventLog, catalogue: Catalogue) -> Split:
    """Return the split that the settings of a scorer are chosen by: `split`, or where it has no validation queries (a refit, which
    trains until the test begins) one of its training events, with the last eighth as validation, the default proportion.
    """
    if len(split.valid) or split.protocol != "temporal" or not split.train.any():
        return split
    t1 = int(np.quantile(log.time[split.train], 7 / 8, method="lower"))
    train = split.train & (log.time < t1)
    if not train.any():
        return split
    valid = next_listing(log, catalogue, log.before, split.train & (log.time >= t1))
    return replace(split, t1=t1, train=train, valid=valid) if len(valid) else split


def _temporal(log: EventLog, catalogue: Catalogue, t1: int | None, t2: int | None) -> Split:
    if not log.timed:
        raise VibesError(
            "The events have no timestamps, so --protocol temporal is not possible; use leave-one-out."
        )
    first, second = np.quantile(log.time, [0.7, 0.8], method="lower")
    t1, t2 = int(first) if t1 is None else t1, int(second) if t2 is None else t2
    if not t1 <= t2:
        raise VibesError("Training must end before validation ends; give a T1 that is not after T2.")
    before, train = log.before, (log.time < t1) & log.is_positive
    if not train.any():
        raise NoTrainingEvents(
            "No event lies before T1, where training ends (by default after 70 % of the events), so there is no training event; add "
            "events of earlier days, or use --protocol leave-one-out."
        )
    return Split(
        protocol="temporal",
        t1=t1,
        t2=t2,
        train=train,
        valid=next_listing(log, catalogue, before, (log.time >= t1) & (log.time < t2)),
        test=next_listing(log, catalogue, before, log.time >= t2),
    )


def next_listing(log: EventLog, catalogue: Catalogue, before: np.ndarray, chosen: np.ndarray) -> Queries:
    """Return queries at the chosen positive events that have a history, on an active listing outside the history."""
    event = np.flatnonzero(chosen & log.is_positive & (before > log.start[log.user]))
    user, target, at = log.user[event], log.listing[event], log.time[event]
    event = event[catalogue.live(at, target) & log.is_first_interaction[event]]
    user, target, at = log.user[event], log.listing[event], log.time[event]
    return Queries(event, user, target, at, log.start[user], before[event], masked=True)


def _leave_one_out(log: EventLog) -> Split:
    requested = np.flatnonzero(log.is_positive)
    # (U,) end of each user's positive events
    end = np.searchsorted(log.user[requested], np.arange(1, len(log.users) + 1))
    users = np.flatnonzero(np.diff(end, prepend=0) >= 3)
    last, before = requested[end[users] - 1], requested[end[users] - 2]
    train = log.is_positive.copy()
    train[last] = train[before] = False

    def at(rows: np.ndarray) -> Queries:
        user, target, moment = users.astype(np.int32), log.listing[rows], log.time[rows]
        return Queries(rows, user, target, moment, log.start[users], rows, masked=False)

    split = Split("leave-one-out", None, None, train, valid=at(before), test=at(last))
    return split.with_history(hidden=returning(log, train) < RETURNING)


def returning(log: EventLog, train: np.ndarray) -> float:
    """Return the share of repeat events: those where `train` (N,) is true, but not a user's first, on an earlier listing of the user."""
    later = train & (np.arange(len(log)) > log.start[log.user])
    return float((~log.is_first_interaction[later]).mean()) if later.any() else 0.0
