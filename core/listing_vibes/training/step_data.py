"""What every step of a training reads, and how it changes from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from listing_vibes.features.sequences import Meta
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Split
from listing_vibes.model.inputs import Inputs
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.training.examples import Examples, make_examples, shuffled_baskets
from listing_vibes.training.multi_market import Mix
from listing_vibes.training.photo_encoder import TrainedPhotos


@dataclass(frozen=True, eq=False)
class StepData:
    """What every step of a training reads."""

    examples: Examples
    log: EventLog
    catalogue: Catalogue
    inputs: Inputs
    warm: np.ndarray  # (W,) listings with a training event: cold listings are no negatives
    masked: bool  # whether a listing of the history is no negative
    seed: int
    live: bool = True  # nor is one that is not active, where the history is masked
    photos: TrainedPhotos | None = None  # where the photo encoder's last stages train, too
    recent: RecentEvents | None = None  # whose logarithm joins the scores
    baskets: Split | None = None  # where simultaneous training events are sets
    mix: Mix | None = None  # of several markets: negatives are of the example's own

    @cached_property
    def share(self) -> np.ndarray:
        """(L,) of all positives of the training, how many are each listing."""
        positive = self.examples.positive
        counts = np.bincount(positive[positive >= 0], minlength=self.log.listings)
        if self.mix is not None:
            counts = counts * self.mix.weight[self.mix.market]
        return counts / max(1, counts.sum())

    def same_market(self, rows: np.ndarray, listings: np.ndarray) -> np.ndarray | None:
        """Return (E, C) bool: which listings (C,) are of the market of each example `rows` (E,); None: there is one market."""
        return None if self.mix is None else self.mix.same(self.examples.positive[rows, 0], listings)

    def catalogue_size(self, rows: np.ndarray) -> float:
        """Return how many warm listings the market of an example of `rows` (E,) has, on average."""
        if self.mix is None:
            return len(self.warm)
        return self.mix.size(self.examples.positive[rows, 0], self.warm)

    def in_epoch(self, epoch: int) -> StepData:
        """Return the data as this epoch reads them: where baskets are sets, each in an order of its own.

        Each event is then predicted from the earlier ones of its own basket, too, and the first of a basket from the earlier
        baskets: over the epochs any part of a basket predicts any other member. Without that a market of one large basket
        a user has next to nothing to learn from. What is asked later, the next basket from the earlier ones, stays as it is.
        """
        if self.baskets is None:
            return self
        rng = np.random.default_rng([self.seed, 4, epoch])
        order = shuffled_baskets(self.log, self.baskets.train, rng)
        columns = {name: getattr(self.log, name)[order] for name in ("listing", "action", "duration")}
        log, meta = replace(self.log, **columns), self.inputs.meta
        if meta is not None:
            meta = Meta(meta.action[order], meta.duration[order])
        return replace(
            self,
            log=log,
            inputs=replace(self.inputs, listing=self.inputs.listing[order], meta=meta),
            examples=make_examples(log, self.baskets, self.examples.positive.shape[1], within=True),
        )

    def with_buckets(self, number: int) -> StepData:
        """Return the data with the buckets of values that one market alone has in the order of draw `number`.

        A bucket that stays is learned: that "bucket 37" was a popular seller here. In a market that the model never saw it
        stands for somebody else, and misleads. Drawn anew with each encoding of the item bank, so that histories, candidates
        and bank agree, a bucket says only that two listings share a value, which carries over.
        """
        if self.mix is None or not self.mix.buckets:
            return self
        rng = np.random.default_rng([self.seed, 5, number])
        features = self.inputs.features
        last = max(int(features.tokens.value.max(initial=0)), *(sum(ids) for ids in self.mix.buckets))
        table = np.arange(1 + last)
        for first, count in self.mix.buckets:
            table[first : first + count] = first + rng.permutation(count)
        value = table[features.tokens.value].astype(features.tokens.value.dtype)
        features = replace(features, tokens=replace(features.tokens, value=value))
        return replace(self, inputs=replace(self.inputs, features=features))
