"""Training examples: moments in users' training periods, with the next listings as positives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.splits import Catalogue, Split


@dataclass(frozen=True, eq=False)
class Examples:
    """E moments. The history of example e is the rows `start[e] : end[e]` of the log, oldest first."""

    user: np.ndarray  # (E,) int32
    start: np.ndarray  # (E,) int64
    end: np.ndarray  # (E,) int64
    at: np.ndarray  # (E,) int64, the moment
    positive: np.ndarray  # (E, P) int32, next listings in order, -1 if there are no more
    train_span: np.ndarray  # (U, 2) int64 first and last (exclusive) training event of each user

    def __len__(self) -> int:
        return len(self.user)


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
    for column in range(
        positives
    ):  # In a loop, since all columns at once would need many times the memory of the log.
        inside = np.flatnonzero(place + column < len(touch))
        following = touch[place[inside] + column]
        same = log.user[following] == log.user[rows[inside]]
        positive[inside[same], column] = log.listing[following[same]]
    return Examples(
        user=log.user[rows],
        start=log.start[log.user[rows]],
        end=before[rows],
        at=log.time[rows],
        positive=positive,
        train_span=np.stack([log.start[:-1], training_ends(log, split.train)], axis=1),
    )


def training_ends(log: EventLog, train: np.ndarray) -> np.ndarray:
    """Return (U,) int64: the row after each user's last event of `train` (N,); training events come first in time."""
    last, rows = log.start[:-1].copy(), np.flatnonzero(train)
    np.maximum.at(last, log.user[rows], rows + 1)
    return last


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


def active_mask(catalogue: Catalogue, at: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return (B, C) bool: which listings `candidates` are active at the moments `at` (B,)."""
    since, until = catalogue.since[candidates], catalogue.until[candidates]
    if len(at) and since.max(initial=at.min()) <= at.min() and at.max() < until.min(initial=at.max() + 1):
        return np.ones((len(at), len(candidates)), bool)  # All listings are always active.
    return catalogue.live(at[:, None], candidates)


def simultaneous_share(log: EventLog, train: np.ndarray) -> float:
    """Return the share of the events `train` (N,) whose user has a simultaneous event on another listing."""
    rows = np.flatnonzero(train)
    if not len(rows):
        return 0.0
    user, time, listing = log.user[rows], log.time[rows], log.listing[rows]
    basket = np.cumsum(np.append(False, (np.diff(user) != 0) | (np.diff(time) != 0)))  # (n,)
    of_each = (
        np.unique(basket * log.listings + listing) // log.listings
    )  # the basket of each distinct listing
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
