"""The batches of an epoch: examples, and the runs of events that the model reads for them.

Worked example. Event rows 0 to 5 are ann's on listings 3, 7, 3, 5 and bob's on 7, 9. A listing touched before is no
next listing, so there are E = 3 examples: "3, then 7" (history rows 0:1), "3, 7, 3, then 5" (rows 0:3) and "7, then 9"
(rows 4:5). `history_batches` gives each its own row, B = E = 3. `window_batches` reads ann once, since her second
history contains the first: B = 2 windows, rows 0:3 and 4:5, R = 4 events, and `place` = [0, 2, 3] says after which of
the R events each example's history ends. So the cost grows with the events, not with the examples times their history.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from listing_vibes.market.log import ranges
from listing_vibes.model.inputs import Inputs
from listing_vibes.training.examples import Examples, epoch_batches
from listing_vibes.training.mix import Mix


@dataclass(frozen=True, eq=False)
class Batch:
    """E examples, and B windows `first[b] : end[b]` of the log that hold their histories.

    `place[e]` says where the embedding of example e stands: with `[CLS]` at a history (B of them), else at an event
    of the windows (R of them, window by window).
    """

    rows: np.ndarray  # (E,) numbers of the examples
    first: np.ndarray  # (B,)
    end: np.ndarray  # (B,)
    place: np.ndarray  # (E,)

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, windows: np.ndarray, by_event: bool) -> "Batch":
        """The windows (sorted numbers below B) and their examples alone; `by_event`: `place` stands at an event."""
        if not by_event:
            rows = self.rows[windows]
            return Batch(rows, self.first[windows], self.end[windows], np.arange(len(rows)))
        count = self.end - self.first  # (B,)
        begin, begins = (
            np.cumsum(count) - count,
            np.full(len(count), -1),
        )  # the first event of each, old and new
        begins[windows] = np.cumsum(count[windows]) - count[windows]
        owner = np.searchsorted(begin, self.place, side="right") - 1  # (E,)
        taken = begins[owner] >= 0
        place = (self.place - begin[owner] + begins[owner])[taken]
        return Batch(self.rows[taken], self.first[windows], self.end[windows], place)


@dataclass(frozen=True, eq=False)
class Plan(Sequence[Batch]):
    """The batches of an epoch, each made when a step asks for it: all at once would be as large as the log.

    Row g of `bounds` (G + 1,) says where the windows of batch g begin in `first` (W,) and `end` (W,), those of the epoch.
    """

    first: np.ndarray
    end: np.ndarray
    bounds: np.ndarray
    made: Callable[[slice], Batch]  # of windows bounds[g] : bounds[g + 1]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @overload
    def __getitem__(self, number: int) -> Batch: ...

    @overload
    def __getitem__(self, number: slice) -> list[Batch]: ...

    def __getitem__(self, number: int | slice) -> Batch | list[Batch]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        low, high = self.bounds[:-1][number], self.bounds[1:][number]
        return self.made(slice(int(low), int(high)))

    def __iter__(self) -> Iterator[Batch]:
        return (self[number] for number in range(len(self)))


def _planned(groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of all `groups` (W,), one group after the other, and the bounds (G + 1,) of each."""
    sizes = np.array([len(group) for group in groups], np.int64)
    return np.concatenate([*groups, np.empty(0, np.int64)]).astype(np.int64), np.append(0, np.cumsum(sizes))


def history_batches(
    examples: Examples,
    lengths: np.ndarray,
    batch: int,
    per_user: int,
    seed: int,
    epoch: int,
    mix: Mix | None = None,
) -> Plan:
    """One epoch for histories with one `[CLS]` each: `batch` histories a step, see `epoch_batches`."""
    order, bounds = _planned(epoch_batches(examples, lengths, batch, per_user, seed, epoch, mix))
    first, end = examples.start[order], examples.end[order]
    return Plan(first, end, bounds, lambda g: Batch(order[g], first[g], end[g], np.arange(g.stop - g.start)))


def window_batches(
    examples: Examples,
    inputs: Inputs,
    batch: int,
    listings: int,
    seed: int,
    epoch: int,
    mix: Mix | None = None,
) -> Plan:
    """One epoch for models that embed every prefix of a window: windows of similar length (in tokens), shuffled.

    A user gives one window of at most `inputs.max_listings` events. Where the training history is longer it is cut at
    places drawn anew each epoch; which window of many is taken is drawn, too. A step has at
    most `batch` windows, and at most `listings` events (or one window).
    """
    rng = np.random.default_rng([seed, epoch])
    first, end = _cut_windows(examples, inputs.max_listings, rng)
    first = inputs.newest(first, end)
    # The examples are sorted by user and time, so those of a window are a run: their histories end inside it.
    low = np.searchsorted(examples.end, first, side="right")
    high = np.searchsorted(examples.end, end, side="right")
    taken = rng.permutation(np.flatnonzero(high > low))
    if mix is not None:
        taken = mix.drawn(taken, inputs.listing[first[taken]], rng)
    tokens, count = inputs.block_lengths(first, end), end - first
    groups: list[np.ndarray] = []
    # Similar lengths beside each other save padding, but a whole epoch sorted would make batches of like users: so it is
    # sorted only inside drawn chunks of about 16 batches.
    for chunk in np.array_split(taken, max(1, int(count[taken].sum()) // (listings * 16))):
        chunk = chunk[np.argsort(tokens[chunk], kind="stable")]
        groups.extend(_packed(chunk, count, batch, listings))
    order, bounds = _planned([groups[place] for place in rng.permutation(len(groups))])
    first, end, low, high = first[order], end[order], low[order], high[order]
    return Plan(first, end, bounds, lambda g: _batch(examples, first[g], end[g], low[g], high[g]))


def share_read(examples: Examples, size: int) -> float:
    """The share of the events in the examples' histories that an epoch of `window_batches` reads, of windows of `size` events."""
    low, high = _read_of_users(examples)
    count = high - low
    return float(np.minimum(count, size).sum() / max(1, count.sum()))


def _read_of_users(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """The rows `low : high` of the log, (V,) each, that the examples of every user with one read: nothing after the last history."""
    last = np.flatnonzero(np.diff(examples.user, append=-1))
    return examples.start[last], examples.end[last]


def _cut_windows(examples: Examples, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A window (first, end) of every user with an example, of at most `size` events."""
    low, high = _read_of_users(examples)
    # Cuts at multiples of `size` from a drawn start: each epoch other events are first in their window, with no history.
    shift = np.where(high - low > size, rng.integers(0, size, len(low)), 0)
    pieces = -(-(high - low + shift) // size)
    owner, number = np.repeat(np.arange(len(low)), pieces), ranges(np.zeros_like(pieces), pieces)
    first = (low - shift)[owner] + number * size
    first, end = np.maximum(first, low[owner]), np.minimum(first + size, high[owner])
    order = np.lexsort((rng.random(len(owner)), owner))
    chosen = np.sort(order[number == 0])  # the first of each owner in the drawn order
    return first[chosen], end[chosen]


def _packed(chunk: np.ndarray, count: np.ndarray, batch: int, listings: int) -> list[np.ndarray]:
    groups, begin, events = [], 0, 0
    for place, window in enumerate(chunk):
        if place > begin and (place - begin == batch or events + count[window] > listings):
            groups.append(chunk[begin:place])
            begin, events = place, 0
        events += count[window]
    return [*groups, chunk[begin:]] if len(chunk) else groups


def _batch(
    examples: Examples, first: np.ndarray, end: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Batch:
    rows = ranges(low, high - low)
    window = np.repeat(np.arange(len(first)), high - low)
    begin = np.cumsum(end - first) - (end - first)  # (B,) first event of each window among the R
    return Batch(rows, first, end, begin[window] + examples.end[rows] - 1 - first[window])
