"""Training examples: moments in users' training periods, with the next listings as positives, and the candidates of a step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.splits import Catalogue, Split


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
    return Examples(
        user=log.user[rows],
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
    positive: np.ndarray  # (C,) bool: whether it is a positive of any example
    bank_rows: np.ndarray | None  # (C,) rows in the bank; None: encoded with gradient
    drawn: float  # sampled share of the listings that are not positives

    def place_of(self, listings: int) -> np.ndarray:
        """Return (L,) the column of each positive, -1 elsewhere."""
        place = np.full(listings, -1, np.int32)
        place[self.listing[self.positive]] = np.flatnonzero(self.positive).astype(np.int32)
        return place


def fresh_candidates(
    positive: np.ndarray, warm: np.ndarray, fresh: int, rng: np.random.Generator
) -> Candidates:
    """Return the positives (E, P) (-1: none) of a step and `fresh` sampled listings of `warm` (W,), to encode with gradient."""
    targets = np.unique(positive[positive >= 0])
    count = min(fresh, len(warm))
    listing = np.union1d(targets, rng.choice(warm, count, replace=False))
    return Candidates(listing, np.isin(listing, targets), None, count / len(warm))


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
    return Candidates(warm[rows], np.isin(rows, targets), rows, room / max(1, len(others)))


def candidate_masks(
    candidates: Candidates,
    examples: Examples,
    log: EventLog,
    catalogue: Catalogue,
    rows: np.ndarray,
    masked: bool,
    among: np.ndarray | None = None,
    live: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positives (E, C) bool, negatives (E, C) bool and the column (E,) of the very next listing, for the examples `rows`.

    A listing of the user's training future is never a negative. If the history is `masked`, neither is a listing of the history
    nor, with `live`, one that is not active at the moment. `among` (E, C) bool restricts the negatives.
    """
    negative = ~exclusions(examples, log, rows, candidates.listing, history_too=masked)
    if among is not None:
        negative &= among
    if masked and live:
        negative &= active_mask(catalogue, examples.at[rows], candidates.listing)
    targets = examples.positive[rows]  # (E, P)
    column = np.where(targets >= 0, candidates.place_of(log.listings)[targets], -1)
    row, slot = np.nonzero(column >= 0)
    positive = np.zeros(negative.shape, bool)
    positive[row, column[row, slot]] = True
    negative[row, column[row, slot]] = False
    return positive, negative, column[:, 0]


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
