"""What a training stands on: the events, what of them trains, and the listings that are known by then; of one market or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import RETURNING, Catalogue, Queries, Split, make_split, returning
from listing_vibes.model.settings import ResolvedSplit


@dataclass(frozen=True, eq=False)
class Ground:
    """One market's events, or those of several as if users and listings of each followed those of the one before."""

    log: EventLog
    catalogue: Catalogue
    split: Split
    counts: np.ndarray  # (L,) training events of each listing
    known: np.ndarray  # (K,) listings that were published, or touched, before training ends

    @classmethod
    def of(cls, market: Market, asked: ResolvedSplit) -> Ground:
        """That of one market.

        Raises:
            VibesError: nothing trains, or fewer than two listings are known.
        """
        log, catalogue = EventLog.from_market(market), Catalogue.of(market)
        split = make_split(log, catalogue, asked.protocol, asked.t1, asked.t2)
        counts = log.counts(split.train)
        published = catalogue.since > np.iinfo(np.int64).min
        known = np.flatnonzero((counts > 0) | (published & (catalogue.since < (split.t1 or 0))))
        if len(known) < 2:
            raise VibesError(
                f"Only {len(known)} listing of {market.path} has an event in training; at least 2 are needed."
            )
        return cls(log, catalogue, split, counts, known)

    @classmethod
    def joined(cls, grounds: Sequence[Ground], names: Sequence[str]) -> Ground:
        """That of several, called `names`.

        Raises:
            VibesError: some have timestamps and others none.
        """
        logs, splits = [one.log for one in grounds], [one.split for one in grounds]
        timed = [log.timed for log in logs]
        if len({split.protocol for split in splits}) > 1:
            raise VibesError(
                f"The events of {names[timed.index(True)]} have timestamps, those of {names[timed.index(False)]} none, so that one "
                "training has two protocols; give --protocol leave-one-out."
            )
        users, listings, events = (
            np.cumsum([0, *sizes])
            for sizes in (
                [len(log.users) for log in logs],
                [log.listings for log in logs],
                [len(log) for log in logs],
            )
        )
        actions = list(dict.fromkeys(action for log in logs for action in log.actions))
        log = EventLog(
            user=_shifted([log.user for log in logs], users),
            listing=_shifted([log.listing for log in logs], listings),
            time=np.concatenate([log.time for log in logs]),
            action=np.concatenate([_renumbered(log, actions) for log in logs]),
            duration=np.concatenate([log.duration for log in logs]),
            start=np.append(_shifted([log.start[:-1] for log in logs], events), events[-1]),
            users=[f"{number}/{name}" for number, log in enumerate(logs) for name in log.users],
            actions=actions,
            listings=int(listings[-1]),
            timed=all(timed),
            refused=np.concatenate([~log.wanted for log in logs]),
        )
        valid, test = (
            _queries([getattr(split, which) for split in splits], users, listings, events)
            for which in ("valid", "test")
        )
        train = np.concatenate([split.train for split in splits])
        if (
            splits[0].protocol == "leave-one-out"
        ):  # one training goes by one rule, whichever market is named first
            masked = returning(log, train) < RETURNING
            valid, test = replace(valid, masked=masked), replace(test, masked=masked)
        catalogue = Catalogue(
            *(np.concatenate([getattr(one.catalogue, end) for one in grounds]) for end in ("since", "until"))
        )
        return cls(
            log,
            catalogue,
            Split(splits[0].protocol, None, None, train, valid, test),
            np.concatenate([one.counts for one in grounds]),
            _shifted([one.known for one in grounds], listings),
        )


def _shifted(parts: Sequence[np.ndarray], by: np.ndarray) -> np.ndarray:
    """All parts, one after the other, each with its own number added."""
    return np.concatenate(
        [part + more.astype(part.dtype) for part, more in zip(parts, by[: len(parts)], strict=True)]
    )


def _renumbered(log: EventLog, actions: Sequence[str]) -> np.ndarray:
    numbers = np.array([*(actions.index(name) for name in log.actions), -1], np.int16)
    return numbers[log.action]


def _queries(
    parts: Sequence[Queries], users: np.ndarray, listings: np.ndarray, events: np.ndarray
) -> Queries:
    by = {"event": events, "user": users, "target": listings, "start": events, "end": events}
    columns = {name: _shifted([getattr(part, name) for part in parts], more) for name, more in by.items()}
    at, first = np.concatenate([part.at for part in parts]), parts[0]
    return Queries(at=at, masked=first.masked, live=first.live, **columns)
