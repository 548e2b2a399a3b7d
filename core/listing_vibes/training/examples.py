"""Training examples: moments in users' training periods, each with its next listings as positives."""

from dataclasses import dataclass

import numpy as np

from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.splits import Catalogue, Split
from listing_vibes.training.mix import Mix


@dataclass(frozen=True, eq=False)
class Examples:
    """E moments. The history of example e is the rows `start[e] : end[e]` of the log, oldest first."""

    user: np.ndarray  # (E,) int32
    start: np.ndarray  # (E,) int64
    end: np.ndarray  # (E,) int64
    at: np.ndarray  # (E,) int64, the moment
    positive: np.ndarray  # (E, P) int32 next listings, the very next first, -1 where the user has no more
    train_span: np.ndarray  # (U, 2) int64 first and last (exclusive) training event of each user

    def __len__(self) -> int:
        return len(self.user)


def make_examples(log: EventLog, split: Split, positives: int, within: bool = False) -> Examples:
    """All moments of the training period with a history and a next listing.

    Of simultaneous events none is in the history of another, unless with `within`: then the log's order counts there,
    too.

    Where the protocol masks the history (temporal), a listing touched before is no next listing; in leave-one-out,
    which keeps seen listings among the candidates, it is.
    """
    masked = split.protocol == "temporal"
    before = log.before if masked and not within else np.arange(len(log))
    usable = split.train & (before > log.start[log.user])
    touches = split.train.copy()
    if masked:
        first = log.first_touch
        usable, touches = usable & first, touches & first
    rows, touch = np.flatnonzero(usable), np.flatnonzero(touches)
    place = np.searchsorted(touch, rows)  # each usable row is itself a touch
    positive = np.full((len(rows), positives), -1, np.int32)  # (E, P)
    for column in range(positives):  # one by one: all of a large log at once would be many times the log
        inside = np.flatnonzero(place + column < len(touch))
        following = touch[place[inside] + column]
        same = log.user[following] == log.user[rows[inside]]
        positive[inside[same], column] = log.listing[following[same]]
    train_span = np.stack([log.start[:-1], training_ends(log, split.train)], axis=1)
    return Examples(
        user=log.user[rows],
        start=log.start[log.user[rows]],
        end=before[rows],
        at=log.time[rows],
        positive=positive,
        train_span=train_span,
    )


def training_ends(log: EventLog, train: np.ndarray) -> np.ndarray:
    """(U,) int64: the row behind each user's last event where `train` (N,) holds; training events come first in time."""
    if not log.some_unwanted:
        return log.start[:-1] + np.bincount(log.user[train], minlength=len(log.users))
    last, rows = log.start[:-1].copy(), np.flatnonzero(train)
    np.maximum.at(last, log.user[rows], rows + 1)
    return last


def epoch_batches(
    examples: Examples,
    lengths: np.ndarray,
    batch: int,
    per_user: int,
    seed: int,
    epoch: int,
    mix: Mix | None = None,
) -> list[np.ndarray]:
    """Batches (at most `batch` example numbers each) of one epoch, of similar length (E,) inside a batch, shuffled.

    A user gives at most `per_user` examples an epoch, drawn anew each epoch.
    """
    rng = np.random.default_rng([seed, epoch])
    chance = rng.random(len(examples))
    order = np.lexsort((chance, examples.user))
    user = examples.user[order]
    first = np.searchsorted(user, user, side="left")
    chosen = order[np.arange(len(order)) - first < per_user]
    chosen = rng.permutation(chosen)
    if mix is not None:
        chosen = mix.drawn(chosen, examples.positive[chosen, 0], rng)
    batches: list[np.ndarray] = []
    for chunk in np.array_split(chosen, max(1, len(chosen) // (batch * 32))):
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        batches.extend(chunk[first : first + batch] for first in range(0, len(chunk), batch))
    return [batches[place] for place in rng.permutation(len(batches))]


def exclusions(
    examples: Examples, log: EventLog, rows: np.ndarray, candidates: np.ndarray, history_too: bool
) -> np.ndarray:
    """(B, C) bool: listings `candidates` (C,) that are no negatives for the examples `rows` (B,); one may stand there twice.

    These are all listings of the user's own training future, and of the history where the protocol masks it, but for what the
    user called unwanted and nothing else: of that is told that it is less than what came next.
    """
    different, again = np.unique(candidates, return_inverse=True)
    place = np.full(log.listings, -1, np.int32)
    place[different] = np.arange(len(different), dtype=np.int32)
    user, begin = examples.user[rows], examples.end[rows]
    if history_too:  # all that a user touched, the same for each of their moments
        user, of = np.unique(user, return_inverse=True)  # (V,), (B,)
        begin = examples.train_span[user, 0]
    length = examples.train_span[user, 1] - begin
    owner = np.repeat(np.arange(len(user)), length)
    events = ranges(begin, length)
    column = place[log.listing[events]]
    if log.some_unwanted:
        column = np.where(log.wanted[events], column, -1)
    found = np.zeros((len(user), len(different)), bool)
    found[owner[column >= 0], column[column >= 0]] = True
    # Where no listing stands twice they come in order, as the candidates of one set of vectors do.
    found = found if (again == np.arange(len(again))).all() else found[:, again]
    return found[of] if history_too else found


def live_mask(catalogue: Catalogue, at: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """(B, C) bool: listings `candidates` that are live at the moments `at` (B,)."""
    since, until = catalogue.since[candidates], catalogue.until[candidates]
    if len(at) and since.max(initial=at.min()) <= at.min() and at.max() < until.min(initial=at.max() + 1):
        return np.ones((len(at), len(candidates)), bool)  # always live: nothing to compare one by one
    return catalogue.live(at[:, None], candidates)
