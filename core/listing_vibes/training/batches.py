"""The batches of an epoch: examples, and the windows of events that the model reads for them; the mix of several markets.

Worked example. Event rows 0 to 5 are ann's on listings 3, 7, 3, 5 and bob's on 7, 9. A listing of the history is not
a target, so there are E = 3 examples: "3, then 7" (history rows 0:1), "3, 7, 3, then 5" (rows 0:3) and "7, then 9"
(rows 4:5). An epoch reads ann once, since her second history contains the first: B = 2 windows, rows 0:3 and 4:5,
R = 4 events, and `place` = [0, 2, 3] is the last of the R events of each example's history. So the cost is proportional to the events, not to the examples times their history.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.log import ranges
from listing_vibes.market.market import Market
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.settings import Settings
from listing_vibes.training.examples import Examples

#: Samples some of the rows (n,), which belong to the listings (n,), for an epoch; see `listing_vibes.training.batches.Mix`.
Draw = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True, eq=False)
class Batch:
    """E examples, and B windows `first[b] : end[b]` of the log that contain their histories.

    `place[e]` is the index of the vector of example e among those of all windows.
    """

    rows: np.ndarray  # (E,) numbers of the examples
    first: np.ndarray  # (B,)
    end: np.ndarray  # (B,)
    place: np.ndarray  # (E,)
    vectors: np.ndarray  # (B,) the number of vectors that each window gives, by default one per event

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, windows: np.ndarray) -> "Batch":
        """Return the batch restricted to some windows (sorted numbers below B)."""
        count = self.vectors  # (B,)
        start, start_now = np.cumsum(count) - count, np.full(len(count), -1)
        start_now[windows] = np.cumsum(count[windows]) - count[windows]
        owner = np.searchsorted(start, self.place, side="right") - 1  # (E,)
        chosen = start_now[owner] >= 0
        place = (self.place - start[owner] + start_now[owner])[chosen]
        return Batch(self.rows[chosen], self.first[windows], self.end[windows], place, count[windows])


@dataclass(frozen=True, eq=False)
class Epoch:
    """The batches of an epoch, computed on access, since all together would be as large as the log."""

    first: np.ndarray  # (W,) the windows of all batches, batch by batch
    end: np.ndarray  # (W,)
    bounds: np.ndarray  # (G + 1,), batch g has the windows bounds[g] : bounds[g + 1]
    make: Callable[[slice], Batch]  # of windows

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, number: int) -> Batch:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self.make(slice(int(self.bounds[number]), int(self.bounds[number + 1])))


class WindowBatches:
    """The batches of a model that embeds every prefix of a window of events."""

    def passes(self, examples: Examples, inputs: Inputs) -> float:
        """Return the share of the events in the examples' histories that an epoch reads."""
        low, high = _spans(examples)
        return float(np.minimum(high - low, inputs.max_listings).sum() / max(1, (high - low).sum()))

    def epoch(
        self,
        examples: Examples,
        inputs: Inputs,
        batch: int,
        listings: int,
        rng: np.random.Generator,
        draw: Draw | None = None,
    ) -> Epoch:
        """Return an epoch of shuffled windows of similar length (in tokens).

        It has one window of at most `inputs.max_listings` events per user. For each epoch a longer training history is cut at random
        positions, and one of its windows is sampled. A step has at most `batch` windows, and at most `listings` events (or one
        window).
        """
        first, end = _cut_windows(examples, inputs.max_listings, rng)
        first = inputs.newest(first, end)
        # Examples are sorted by user and time, so those whose history ends in a window are contiguous.
        low = np.searchsorted(examples.end, first, side="right")
        high = np.searchsorted(examples.end, end, side="right")
        chosen = rng.permutation(np.flatnonzero(high > low))
        if draw is not None:
            chosen = draw(chosen, inputs.listing[first[chosen]], rng)
        count = end - first
        chunks = int(count[chosen].sum()) // (listings * 16)
        tokens = inputs.event_tokens(first, end)
        chosen, bounds = group_rows(chosen, tokens, chunks, batch, count, listings, rng)
        first, end, low, high = first[chosen], end[chosen], low[chosen], high[chosen]

        def make(g: slice) -> Batch:
            rows = ranges(low[g], high[g] - low[g])
            window = np.repeat(np.arange(g.stop - g.start), high[g] - low[g])
            size = end[g] - first[g]
            start = np.cumsum(size) - size  # (B,) first event of each window among the R
            return Batch(
                rows, first[g], end[g], start[window] + examples.end[rows] - 1 - first[g][window], size
            )

        return Epoch(first, end, bounds, make)


def group_rows(
    rows: np.ndarray,
    lengths: np.ndarray,
    chunks: int,
    batch: int,
    count: np.ndarray | None,
    most: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return `rows` ordered into batches of at most `batch` rows and `most` of their `count`, and the bounds (G + 1,).

    Similar lengths in a batch save padding, but sorting the full epoch would make batches of similar users, so rows are only sorted
    within random chunks of several batches.
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


def _spans(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows `low : high` (V,) of the log with the histories of each user with an example."""
    last = np.flatnonzero(np.diff(examples.user, append=-1))
    return examples.start[last], examples.end[last]


def _cut_windows(examples: Examples, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a window (first, end) of each user with an example, of at most `size` events."""
    low, high = _spans(examples)
    # Cuts are at multiples of `size` from a random start, so that in each epoch other events come first in their window.
    shift = np.where(high - low > size, rng.integers(0, size, len(low)), 0)
    pieces = -(-(high - low + shift) // size)
    chosen = (rng.random(len(low)) * pieces).astype(np.int64)
    first = low - shift + chosen * size
    return np.maximum(first, low), np.minimum(first + size, high)


@dataclass(frozen=True, eq=False)
class Mix:
    """The sampling of several markets in an epoch, relative to their sizes."""

    market: np.ndarray  # (L,) the market of each listing
    weight: np.ndarray  # (M,)
    #: The first id and the number of the hash buckets of each attribute with buckets.
    buckets: Sequence[tuple[int, int]] = ()

    @classmethod
    def of(
        cls, market: np.ndarray, listings: np.ndarray, power: float, buckets: Sequence[tuple[int, int]] = ()
    ) -> "Mix":
        """Weight markets by size ** `power`, where size is the number of examples; `listings` (n,) are those of all examples."""
        size = np.bincount(market[listings], minlength=int(market.max(initial=0)) + 1).astype(float)
        share = np.where(size > 0, np.maximum(size, 1) ** power, 0)
        return cls(market, share / max(share.sum(), 1e-12) * size.sum() / np.maximum(size, 1), buckets)

    def draw(self, rows: np.ndarray, listings: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Sample about n of `rows` (n,), which belong to `listings` (n,), with repetition."""
        weight = self.weight[self.market[listings]]
        times = np.floor(weight) + (rng.random(len(rows)) < weight % 1)
        return rng.permutation(np.repeat(rows, times.astype(int)))

    def shares(self, listings: np.ndarray) -> np.ndarray:
        """Return the sampling probabilities (n,) of the examples that belong to `listings` (n,)."""
        weight = self.weight[self.market[listings]]
        return np.asarray(weight / weight.sum())


def buckets_of(vocabulary: Vocabulary) -> list[tuple[int, int]]:
    """Return the first id and the number of the hash buckets of each attribute with buckets."""
    return [
        (entry.first + len(entry.values), entry.buckets) for entry in vocabulary.attributes if entry.buckets
    ]


def check_markets(markets: Sequence[Market], settings: Settings) -> None:
    """Check that several markets can be used in one training.

    Raises:
        VibesError: a market is named twice, or a setting is only for one market.
    """
    for number, market in enumerate(markets):
        others = [other.path.resolve() for other in markets[:number] if other.is_stored]
        if market.is_stored and market.path.resolve() in others:
            raise VibesError(f"{market.path} is there twice; name each market once.")
    if settings.training.recent_days:
        raise VibesError(
            f"training.recency_days = {settings.training.recent_days} counts recent events of one market; leave it out for several."
        )
    if settings.features.photo_train_blocks:
        raise VibesError(
            "features.photo_train_blocks trains a photo encoder for one market; set it to 0 for several."
        )


def fingerprint_of(markets: Sequence[Market]) -> str:
    """Return the fingerprint of the market, or a combined one of several."""
    prints = [market.fingerprint for market in markets]
    return prints[0] if len(prints) == 1 else hashlib.sha256("".join(prints).encode()).hexdigest()


def folder_names(markets: Sequence[Market]) -> list[str]:
    """Return the name of each market's run: that of the market's folder, with a number if it is not unique."""
    names: list[str] = []
    for market in markets:
        name = base = market.path.resolve().name
        number = len(names)
        while name in names:  # "oslo-3" may also be the name of a market.
            number += 1
            name = f"{base}-{number}"
        names.append(name)
    return names
