"""Several markets in one training: which listings are of one market, and how often each market is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Mix:
    """How oftener, or more rarely, than by its size each of several markets is drawn in an epoch."""

    market: np.ndarray  # (L,) of each listing
    weight: np.ndarray  # (M,)
    codes: tuple[
        tuple[int, int], ...
    ] = ()  # ids of values that one market alone has, see `listing_vibes.training.codes`

    @classmethod
    def of(
        cls, market: np.ndarray, listings: np.ndarray, power: float, codes: Sequence[tuple[int, int]] = ()
    ) -> Mix:
        """By size ** `power`, the size of a market being how many of `listings` (n,), those of all examples, it has."""
        size = np.bincount(market[listings], minlength=int(market.max(initial=0)) + 1).astype(float)
        share = np.where(size > 0, np.maximum(size, 1) ** power, 0)
        return cls(market, share / max(share.sum(), 1e-12) * size.sum() / np.maximum(size, 1), tuple(codes))

    def drawn(self, rows: np.ndarray, listings: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """About as many of `rows` (n,), which stand for `listings` (n,), some several times and some not at all."""
        weight = self.weight[self.market[listings]]
        times = np.floor(weight) + (rng.random(len(rows)) < weight % 1)
        return rng.permutation(np.repeat(rows, times.astype(int)))

    def shares(self, listings: np.ndarray) -> np.ndarray:
        """(n,) how likely each of the examples that stand for `listings` (n,) is drawn where one is; they sum to 1."""
        weight = self.weight[self.market[listings]]
        return np.asarray(weight / weight.sum())

    def same(self, examples: np.ndarray, listings: np.ndarray) -> np.ndarray:
        """(E, C) bool: which `listings` (C,) are of the market of each example, one of whose listings are `examples` (E,)."""
        return self.market[examples][:, None] == self.market[listings][None, :]

    def size(self, examples: np.ndarray, listings: np.ndarray) -> float:
        """How many of `listings` (n,) the markets of the listings `examples` (E,) have, on average."""
        size = np.bincount(self.market[listings], minlength=len(self.weight))
        return float(size[self.market[examples]].mean())
