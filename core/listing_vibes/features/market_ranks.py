"""A market on its relative scale: amounts by rank, locations by relative position, texts relative to their mean.

"Expensive here" and "in the center" transfer to a market that a model never saw; amounts in another currency, degrees
and the town in every description do not. A model of several markets reads this in addition to what they share; it is
fitted on the listings of each market that the model is used on, and stored in the run's `vocabulary.json`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.columns import Columns as C

#: Number of quantiles that are stored; ranks between them are interpolated.
STEPS = 200


class MarketRanks(BaseModel):
    """The relative scale of one market; empty lists before it is fitted."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    numbers: dict[str, list[float]]  # quantiles by attribute, ascending
    place: dict[str, list[float]] = {}  # quantiles by column
    text: list[list[float]] = []  # the mean (width,) of the market's texts in each view

    @classmethod
    def unfitted(cls, attributes: Sequence[Attribute]) -> MarketRanks:
        """Return the scale of a model with these attributes, before it is fitted to a market."""
        numbers = [item.name for item in attributes if type_of(item.kind).binned]
        located = any(item.name == C.PLACE for item in attributes)
        place = [C.LATITUDE, C.LONGITUDE] if located else []
        return cls(numbers={name: [] for name in numbers}, place={axis: [] for axis in place})

    def of(self, listings: pd.DataFrame) -> MarketRanks:
        """Return the scale of the market of `listings`, without its texts."""
        numbers = {name: _quantiles(listings, name) for name in self.numbers}
        return MarketRanks(numbers=numbers, place={axis: _quantiles(listings, axis) for axis in self.place})

    @property
    def fitted(self) -> bool:
        """Whether it was fitted to a market."""
        return any(self.numbers.values()) or any(self.place.values()) or bool(self.text)

    def add_ranks(self, listings: pd.DataFrame) -> pd.DataFrame:
        """Return `listings` with an additional column of ranks in [0, 1] for each number, and ranks instead of degrees."""
        ranks = {rank_name(name): _ranks(listings, name, edges) for name, edges in self.numbers.items()}
        degrees = {axis: _ranks(listings, axis, edges) for axis, edges in self.place.items()}
        return listings.assign(**ranks, **degrees)


def rank_name(name: str) -> str:
    """Return the name of the column with the ranks of the number `name`."""
    return f"{name}, within the market"


def _quantiles(listings: pd.DataFrame, name: str) -> list[float]:
    values = listings[name].dropna().to_numpy(float) if name in listings else np.zeros(0)
    return np.quantile(values, np.linspace(0, 1, STEPS + 1)).tolist() if len(values) else []


def _ranks(listings: pd.DataFrame, name: str, quantiles: list[float]) -> np.ndarray:
    """Return (L,) ranks in [0, 1], NaN where missing; equal values get their mean rank."""
    if name not in listings or not quantiles:
        return np.full(len(listings), np.nan)
    values = listings[name].to_numpy(float)
    available, first, count = np.unique(quantiles, return_index=True, return_counts=True)
    middle = (first + (count - 1) / 2) / STEPS
    return np.where(np.isfinite(values), np.interp(values, available, middle), np.nan)
