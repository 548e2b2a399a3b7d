"""The batches of an epoch: examples, and the runs of events that the model reads for them.

Worked example. Event rows 0 to 5 are ann's on listings 3, 7, 3, 5 and bob's on 7, 9. A listing of the history is no
next listing, so there are E = 3 examples: "3, then 7" (history rows 0:1), "3, 7, 3, then 5" (rows 0:3) and "7, then 9"
(rows 4:5). `history_epoch` gives each its own row, B = E = 3. `window_epoch` reads ann once, since her second
history contains the first: B = 2 windows, rows 0:3 and 4:5, R = 4 events, and `place` = [0, 2, 3] says after which of
the R events each example's history ends. So the cost grows with the events, not with the examples times their history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from listing_vibes.market.log import ranges
from listing_vibes.model.inputs import Inputs
from listing_vibes.training.examples import Examples

#: Examples an epoch from one user, at most, where each history is a row.
EXAMPLES_PER_USER = 10
#: Picks some of the rows (n,), which stand for the listings (n,), for an epoch; see `listing_vibes.training.multi_market.Mix`.
Draw = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True, eq=False)
class Batch:
    """E examples, and B windows `first[b] : end[b]` of the log that hold their histories.

    `place[e]` says which vector is that of example e: with `[CLS]` that of a history (B of them), else of an event of
    the windows (R of them, window by window).
    """

    rows: np.ndarray  # (E,) numbers of the examples
    first: np.ndarray  # (B,)
    end: np.ndarray  # (B,)
    place: np.ndarray  # (E,)

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, windows: np.ndarray, by_event: bool) -> Batch:
        """Return the windows (sorted numbers below B) and their examples alone; `by_event`: `place` counts events."""
        count = self.end - self.first if by_event else np.ones(len(self.first), np.int64)  # (B,)
        start, start_now = np.cumsum(count) - count, np.full(len(count), -1)
        start_now[windows] = np.cumsum(count[windows]) - count[windows]
        owner = np.searchsorted(start, self.place, side="right") - 1  # (E,)
        chosen = start_now[owner] >= 0
        place = (self.place - start[owner] + start_now[owner])[chosen]
        return Batch(self.rows[chosen], self.first[windows], self.end[windows], place)


@dataclass(frozen=True, eq=False)
class Epoch:
    """The batches of an epoch, each made when a step asks for it: all at once would be as large as the log."""

    first: np.ndarray  # (W,) the windows of all batches, batch by batch
    end: np.ndarray  # (W,)
    bounds: np.ndarray  # (G + 1,) batch g has the windows bounds[g] : bounds[g + 1]
    make: Callable[[slice], Batch]  # of windows

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, number: int) -> Batch:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self.make(slice(int(self.bounds[number]), int(self.bounds[number + 1])))


def history_epoch(
    examples: Examples,
    lengths: np.ndarray,
    batch: int,
    rng: np.random.Generator,
    draw: Draw | None = None,
) -> Epoch:
    """Return one epoch for a model that reads each history as a row of `lengths` (E,): at most `batch` a step.

    A user gives at most `EXAMPLES_PER_USER`, drawn anew each epoch.
    """
    order = np.lexsort((rng.random(len(examples)), examples.user))
    user = examples.user[order]
    among_own = np.arange(len(order)) - np.searchsorted(user, user, side="left")
    chosen = rng.permutation(order[among_own < EXAMPLES_PER_USER])
    if draw is not None:
        chosen = draw(chosen, examples.positive[chosen, 0], rng)
    chosen, bounds = _grouped(chosen, lengths, len(chosen) // (batch * 32), batch, None, 0, rng)
    first, end = examples.start[chosen], examples.end[chosen]
    return Epoch(
        first, end, bounds, lambda g: Batch(chosen[g], first[g], end[g], np.arange(g.stop - g.start))
    )


def window_epoch(
    examples: Examples,
    inputs: Inputs,
    batch: int,
    listings: int,
    rng: np.random.Generator,
    draw: Draw | None = None,
) -> Epoch:
    """Return one epoch for a model that embeds every prefix of a window: windows of similar length (in tokens), shuffled.

    A user gives one window of at most `inputs.max_listings` events. A longer training history is cut at places drawn anew
    each epoch; which window of many is taken is drawn, too. A step has at most `batch` windows, and at most `listings` events
    (or one window).
    """
    first, end = _cut_windows(examples, inputs.max_listings, rng)
    first = inputs.newest(first, end)
    # The examples are sorted by user and time, so those of a window are a run: their histories end inside it.
    low = np.searchsorted(examples.end, first, side="right")
    high = np.searchsorted(examples.end, end, side="right")
    chosen = rng.permutation(np.flatnonzero(high > low))
    if draw is not None:
        chosen = draw(chosen, inputs.listing[first[chosen]], rng)
    count = end - first
    chunks = int(count[chosen].sum()) // (listings * 16)
    tokens = inputs.event_tokens(first, end)
    chosen, bounds = _grouped(chosen, tokens, chunks, batch, count, listings, rng)
    first, end, low, high = first[chosen], end[chosen], low[chosen], high[chosen]

    def make(g: slice) -> Batch:
        rows = ranges(low[g], high[g] - low[g])
        window = np.repeat(np.arange(g.stop - g.start), high[g] - low[g])
        size = end[g] - first[g]
        start = np.cumsum(size) - size  # (B,) first event of each window among the R
        return Batch(rows, first[g], end[g], start[window] + examples.end[rows] - 1 - first[g][window])

    return Epoch(first, end, bounds, make)


def _grouped(
    rows: np.ndarray,
    lengths: np.ndarray,
    chunks: int,
    batch: int,
    count: np.ndarray | None,
    most: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return `rows` in batches of at most `batch`, and of at most `most` by their `count`; and the bounds (G + 1,) of each.

    Similar lengths beside each other save padding, but an epoch that is sorted would make batches of like users: so it is sorted
    only inside drawn chunks of some batches.
    """
    groups: list[np.ndarray] = []
    for chunk in np.array_split(rows, max(1, chunks)):
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        sizes = np.zeros(len(chunk), int) if count is None else count[chunk]
        begin, total = 0, 0
        for place, size in enumerate(sizes):
            if place > begin and (place - begin == batch or total + size > most):
                groups.append(chunk[begin:place])
                begin, total = place, 0
            total += size
        groups.extend([chunk[begin:]] if len(chunk) else [])
    groups = [groups[place] for place in rng.permutation(len(groups))]
    bounds = np.append(0, np.cumsum([len(group) for group in groups])).astype(np.int64)
    return np.concatenate([np.empty(0, np.int64), *groups]).astype(np.int64), bounds


def share_of_epoch(examples: Examples, size: int) -> float:
    """Return the share of the events in the examples' histories that a `window_epoch` reads, of windows of `size` events."""
    low, high = _spans(examples)
    return float(np.minimum(high - low, size).sum() / max(1, (high - low).sum()))


def _spans(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """The rows `low : high` of the log, (V,) each, that the histories of every user with an example take."""
    last = np.flatnonzero(np.diff(examples.user, append=-1))
    return examples.start[last], examples.end[last]


def _cut_windows(examples: Examples, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A window (first, end) of every user with an example, of at most `size` events."""
    low, high = _spans(examples)
    # Cuts at multiples of `size` from a drawn start: each epoch other events are first in their window, with no history.
    shift = np.where(high - low > size, rng.integers(0, size, len(low)), 0)
    pieces = -(-(high - low + shift) // size)
    chosen = (rng.random(len(low)) * pieces).astype(np.int64)
    first = low - shift + chosen * size
    return np.maximum(first, low), np.minimum(first + size, high)
