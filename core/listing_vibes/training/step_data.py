"""The data of the steps of a training, and its changes between epochs."""

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
    """The data of the steps of a training."""

    examples: Examples
    log: EventLog
    catalogue: Catalogue
    inputs: Inputs
    warm: np.ndarray  # (W,) listings with a training event, since cold listings are not negatives
    masked: bool  # whether listings of the history are excluded from the negatives
    seed: int
    live: bool = True  # whether inactive listings also are, if `masked`
    photos: TrainedPhotos | None = None  # if the photo encoder's last stages train
    recent: RecentEvents | None = None  # whose logarithm is added to the scores
    baskets: Split | None = None  # if simultaneous training events are sets
    mix: Mix | None = None  # of several markets, whose negatives are of the same market

    @cached_property
    def share(self) -> np.ndarray:
        """Return (L,) the share of each listing among all positives of the training."""
        positive = self.examples.positive
        counts = np.bincount(positive[positive >= 0], minlength=self.log.listings)
        if self.mix is not None:
            counts = counts * self.mix.weight[self.mix.market]
        return np.asarray(counts / max(1, counts.sum()))

    def same_market(self, rows: np.ndarray, listings: np.ndarray) -> np.ndarray | None:
        """Return (E, C) bool: which listings (C,) are of the market of each example `rows` (E,); None with one market."""
        return None if self.mix is None else self.mix.same(self.examples.positive[rows, 0], listings)

    def in_epoch(self, epoch: int) -> StepData:
        """Return the data of an epoch, in which baskets that are sets have a random order.

        Each event is also predicted from the earlier ones of its basket, and the first one of a basket from earlier baskets, so that
        over the epochs any part of a basket predicts any other member. Otherwise a market with one large basket per user would
        have hardly any examples. Queries predict the next basket from earlier ones as before.
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
        """Return the data with the hash buckets of values of single markets in random order number `number`.

        With a constant order the model would learn that "bucket 37" is a popular seller, but in another market it is a different
        one. The order changes with each encoding of the item bank, so that histories, candidates and bank agree, and a bucket only
        shows that two listings share a value, which transfers.
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
