"""The data of a training, of one market or several: the events, their split, and the listings of the training period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.cached_log import FEWEST
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import RETURNING, Catalogue, Queries, Split, make_split, returning
from listing_vibes.model.settings import ResolvedSplit


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The events of one market, or of several with the users and listings of all numbered consecutively."""

    log: EventLog
    catalogue: Catalogue
    split: Split
    counts: np.ndarray  # (L,) training events of each listing
    known: np.ndarray  # (K,) listings that were published or had an event before the end of training

    @classmethod
    def of(cls, market: Market, split_settings: ResolvedSplit) -> TrainingData:
        """Return the data of one market.

        Raises:
            VibesError: there are no training events, or fewer than two listings have one.
        """
        log, catalogue = EventLog.from_market(market), Catalogue.of(market)
        if len(log) >= FEWEST:  # a training needs the memory
            market.release_events()
        split = make_split(log, catalogue, split_settings.protocol, split_settings.t1, split_settings.t2)
        counts = log.counts(split.train)
        published = catalogue.since > np.iinfo(np.int64).min
        available = np.flatnonzero((counts > 0) | (published & (catalogue.since < (split.t1 or 0))))
        if len(available) < 2:
            raise VibesError(
                f"Only {len(available)} listing of {market.path} has an event in training; at least 2 are needed."
            )
        return cls(log, catalogue, split, counts, available)

    @classmethod
    def joined(cls, parts: Sequence[TrainingData], names: Sequence[str]) -> TrainingData:
        """Return the data of one market, or those of several with these `names` joined.

        Raises:
            VibesError: only some have timestamps.
        """
        if len(parts) == 1:
            return parts[0]
        logs, splits = [part.log for part in parts], [part.split for part in parts]
        timed = [log.timed for log in logs]
        if len({split.protocol for split in splits}) > 1:
            raise VibesError(
                f"The events of {names[timed.index(True)]} have timestamps, those of {names[timed.index(False)]} none, so that one "
                "training has two protocols; give --protocol leave-one-out."
            )
        users = np.cumsum([0, *(len(log.users) for log in logs)])
        listings = np.cumsum([0, *(log.listings for log in logs)])
        events = np.cumsum([0, *(len(log) for log in logs)])
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
            refused=np.concatenate([~log.is_positive for log in logs]),
        )
        train = np.concatenate([split.train for split in splits])
        valid = _joined_queries([split.valid for split in splits], users, listings, events)
        test = _joined_queries([split.test for split in splits], users, listings, events)
        if splits[0].protocol == "leave-one-out":  # The same rule, independent of the order of markets.
            masked = returning(log, train) < RETURNING
            valid, test = replace(valid, masked=masked), replace(test, masked=masked)
        return cls(
            log,
            Catalogue(
                np.concatenate([part.catalogue.since for part in parts]),
                np.concatenate([part.catalogue.until for part in parts]),
            ),
            Split(splits[0].protocol, None, None, train, valid, test),
            np.concatenate([part.counts for part in parts]),
            _shifted([part.known for part in parts], listings),
        )


def _shifted(parts: Sequence[np.ndarray], by: np.ndarray) -> np.ndarray:
    """Concatenate parts after adding an offset to each."""
    return np.concatenate([part + more.astype(part.dtype) for part, more in zip(parts, by, strict=False)])


def _renumbered(log: EventLog, actions: Sequence[str]) -> np.ndarray:
    numbers = np.array([*(actions.index(name) for name in log.actions), -1], np.int16)
    return np.asarray(numbers[log.action])


def _joined_queries(
    parts: Sequence[Queries], users: np.ndarray, listings: np.ndarray, events: np.ndarray
) -> Queries:
    by = {"event": events, "user": users, "target": listings, "start": events, "end": events}
    columns = {name: _shifted([getattr(part, name) for part in parts], more) for name, more in by.items()}
    at = np.concatenate([part.at for part in parts])
    return Queries(at=at, masked=parts[0].masked, live=parts[0].live, **columns)
