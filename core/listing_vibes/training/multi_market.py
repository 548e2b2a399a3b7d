"""Training on several markets: their checks, their sampling, and the names of their runs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings


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
