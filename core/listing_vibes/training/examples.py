"""The data of a training, of one market or several: the events, their split, and the listings of the training period; examples, the
moments in users' training periods with the next listings as positives; and the candidates of a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.log import FEWEST, EventLog, ranges
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
    def of(cls, market: Market, split_settings: ResolvedSplit) -> "TrainingData":
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
    def joined(cls, parts: "Sequence[TrainingData]", names: Sequence[str]) -> "TrainingData":
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


@dataclass(frozen=True, eq=False)
class Examples:
    """E moments. The history of example e is the rows `start[e] : end[e]` of the log, oldest first."""

    user: np.ndarray  # (E,) int32
    end: np.ndarray  # (E,) int64
    at: np.ndarray  # (E,) int64, the moment
    positive: np.ndarray  # (E, P) int32, next listings in order, -1 if there are no more
    train_span: np.ndarray  # (U, 2) int64 first and last (exclusive) training event of each user

    def __len__(self) -> int:
        return len(self.user)

    @property
    def start(self) -> np.ndarray:
        """(E,) int64: the first event of each example's user, computed, since with millions of events memory is short."""
        return np.asarray(self.train_span[self.user, 0])


def make_examples(log: EventLog, split: Split, positives: int, within: bool = False) -> Examples:
    """Return the examples at all moments of the training period with a history and a next listing.

    Simultaneous events are not in each other's history, unless `within` orders them as in the log. If the protocol masks the
    history (temporal), its listings are not targets; in leave-one-out they are.
    """
    masked = split.protocol == "temporal"
    before = log.before if masked and not within else np.arange(len(log))
    usable = split.train & (before > log.start[log.user])
    touches = split.train.copy()
    if masked:
        first = log.is_first_interaction
        usable, touches = usable & first, touches & first
    rows, touch = np.flatnonzero(usable), np.flatnonzero(touches)
    place = np.searchsorted(touch, rows)  # Each usable row is one of these events.
    positive = np.full((len(rows), positives), -1, np.int32)  # (E, P)
    # In a loop, since all columns at once would need many times the memory of the log.
    for column in range(positives):
        inside = np.flatnonzero(place + column < len(touch))
        following = touch[place[inside] + column]
        same = log.user[following] == log.user[rows[inside]]
        positive[inside[same], column] = log.listing[following[same]]
    ends, train = log.start[:-1].copy(), np.flatnonzero(split.train)  # training events come first in time
    np.maximum.at(ends, log.user[train], train + 1)
    return Examples(
        user=log.user[rows],
        end=before[rows],
        at=log.time[rows],
        positive=positive,
        train_span=np.stack([log.start[:-1], ends], axis=1),
    )


def exclusions(
    examples: Examples, log: EventLog, rows: np.ndarray, candidates: np.ndarray, history_too: bool
) -> np.ndarray:
    """Return (B, C) bool: which distinct listings `candidates` (C,) are not negatives of the examples `rows` (B,).

    These are the listings of the user's training future, and of the history if the protocol masks it; unwanted events are not in
    the log of a training.
    """
    column_of = np.full(log.listings, -1, np.int32)
    column_of[candidates] = np.arange(len(candidates), dtype=np.int32)
    user, begin = examples.user[rows], examples.end[rows]
    example = np.arange(len(rows))
    if history_too:  # It is the same at each moment of a user.
        user, example = np.unique(user, return_inverse=True)  # (V,), (B,)
        begin = examples.train_span[user, 0]
    length = examples.train_span[user, 1] - begin
    owner = np.repeat(np.arange(len(user)), length)
    events = ranges(begin, length)
    column = column_of[log.listing[events]]
    result = np.zeros((len(user), len(candidates)), bool)
    result[owner[column >= 0], column[column >= 0]] = True
    return result[example]


def simultaneous_share(log: EventLog, train: np.ndarray) -> float:
    """Return the share of the events `train` (N,) whose user has a simultaneous event on another listing."""
    rows = np.flatnonzero(train)
    if not len(rows):
        return 0.0
    user, time, listing = log.user[rows], log.time[rows], log.listing[rows]
    basket = np.cumsum(np.append(False, (np.diff(user) != 0) | (np.diff(time) != 0)))  # (n,)
    # The basket of each distinct listing.
    of_each = np.unique(basket * log.listings + listing) // log.listings
    return float((np.bincount(of_each)[basket] > 1).mean())


def shuffled_baskets(log: EventLog, train: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rows (N,) of the log with the simultaneous training events of each user shuffled.

    Without timestamps and without equal positions, all training events of a user are one basket.
    """
    rows = np.flatnonzero(train)
    order = np.arange(len(log))
    ordered = log.timed or simultaneous_share(log, train) > 0
    time = log.time[rows] if ordered else np.zeros(len(rows), np.int64)
    order[rows] = rows[np.lexsort((rng.random(len(rows)), time, log.user[rows]))]
    return order


@dataclass(frozen=True, eq=False)
class Candidates:
    """The C sorted listings of one softmax; each is a negative of the examples that do not have it as a positive."""

    listing: np.ndarray  # (C,) listing rows
    bank_rows: np.ndarray | None  # (C,) rows in the bank; None: encoded with gradient
    drawn: float  # sampled share of the listings that are not positives


def fresh_candidates(
    positive: np.ndarray, warm: np.ndarray, fresh: int, rng: np.random.Generator
) -> Candidates:
    """Return the positives (E, P) (-1: none) of a step and `fresh` sampled listings of `warm` (W,), to encode with gradient."""
    targets = np.unique(positive[positive >= 0])
    count = min(fresh, len(warm))
    listing = np.union1d(targets, rng.choice(warm, count, replace=False))
    return Candidates(listing, None, count / len(warm))


def bank_candidates(
    positive: np.ndarray, warm: np.ndarray, size: int, rng: np.random.Generator
) -> Candidates:
    """Return the positives (E, P) of a step and sampled listings of the bank `warm` (W,), `size` in total.

    All of its vectors are stale, also those of positives. In one softmax with fresh vectors, training would exploit the stale ones:
    embeddings drift away from the bank, and the loss falls between two encodings of the bank and jumps back at the next.
    """
    # Every positive has a training event.
    targets = np.searchsorted(warm, np.unique(positive[positive >= 0]))
    others = np.delete(np.arange(len(warm)), targets)
    room = min(max(size - len(targets), 0), len(others))
    rows = np.sort(np.concatenate([targets, rng.choice(others, room, replace=False)]))
    return Candidates(warm[rows], rows, room / max(1, len(others)))


def inclusion_probability(candidates: Candidates, share: np.ndarray, slots: int, warm: int) -> np.ndarray:
    """Return (C,) the probability that each column's listing is a candidate of a step: q of the logQ correction.

    Yi et al. 2019 ("Sampling-bias-corrected neural modeling for large corpus item recommendations", section 4) take
    the share of the batch; here a listing has only one column even if it is sampled several times, so q is the probability of at least
    one draw: of `slots` positives, each with probability `share` (L,), and of the further ones out of `warm` listings.
    """
    missed = np.full(len(candidates.listing), 1 - candidates.drawn)
    if candidates.bank_rows is None:
        missed = missed * (1 - share[candidates.listing]) ** slots
    return np.asarray(np.maximum(1 - missed, 1 / warm))
