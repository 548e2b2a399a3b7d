"""What a model of several markets reads: the attributes and values that they share, and each market on its relative scale: amounts by
rank, locations by relative position, texts relative to their mean.

"Expensive here" and "in the center" transfer to a market that a model never saw; amounts in another currency, degrees
and the town in every description do not. A model of several markets reads this in addition to what they share; it is
fitted on the listings of each market that the model is used on, and stored in the run's `vocabulary.json`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from pydantic import Field

from listing_vibes.errors import VibesError
from listing_vibes.features.tokens.vocabulary import Vocabulary, number_values
from listing_vibes.market.amounts import is_ambiguous, is_currency, unit_of
from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import Forbidding
from listing_vibes.market.market import Market
from listing_vibes.words import count

#: Number of quantiles that are stored; ranks between them are interpolated.
STEPS = 200
#: Buckets of a category whose values mostly differ between markets, such as districts and sellers: a new market
#: has only unseen values, so in training, too, such values only show that two listings have the same one.
BUCKETS = 512
#: Below this share of values that occur in two markets, a category is not shared: some names are equal by chance.
LEAST_SHARED = 0.1


class MarketRanks(Forbidding, allow_inf_nan=False):
    """The relative scale of one market; empty lists before it is fitted."""

    numbers: dict[str, list[float]]  # quantiles by attribute, ascending
    place: dict[str, list[float]] = Field({})  # quantiles by column
    text: list[list[float]] = Field([])  # the mean (width,) of the market's texts in each view

    @classmethod
    def unfitted(cls, attributes: Sequence[Attribute]) -> "MarketRanks":
        """Return the scale of a model with these attributes, before it is fitted to a market."""
        numbers = [item.name for item in attributes if type_of(item.kind).binned]
        located = any(item.name == C.PLACE for item in attributes)
        place = [C.LATITUDE, C.LONGITUDE] if located else []
        return cls(numbers={name: [] for name in numbers}, place={axis: [] for axis in place})

    def of(self, listings: pd.DataFrame) -> "MarketRanks":
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


def rank_attribute(number: Attribute) -> Attribute:
    """Return the attribute of the ranks of a `number`."""
    return replace(number, name=rank_name(number.name), label=rank_name(number.label), unit="")


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


def common_attributes(markets: Sequence[Market]) -> list[Attribute]:
    """Return the attributes of at least two markets, by their shared name.

    Raises:
        VibesError: a market shares none, or an attribute has two types.
    """
    values: dict[str, tuple[Attribute, Market]] = {}
    owners: Counter[str] = Counter()
    for market in markets:
        for attribute in market.attributes:
            name = market.config.shared_name(attribute.name)
            item, where = values.setdefault(name, (replace(attribute, name=name), market))
            if item.kind != attribute.kind:
                raise VibesError(
                    f"Attribute '{attribute.name}' is a {attribute.kind} in {market.path} but a {item.kind} in {where.path}; give "
                    f"both the same kind under [attributes.{attribute.name}] in market.toml, or exclude one."
                )
            owners[name] += 1
    for market in markets:
        if all(owners[market.config.shared_name(attribute.name)] < 2 for attribute in market.attributes):
            raise VibesError(
                f"{market.path} shares no attribute with the other markets; give one of its columns their name by same_as under "
                "[attributes.COLUMN] in its market.toml."
            )
    return [item for name, (item, _) in values.items() if owners[name] > 1]


def sharing_sentence(shared: Sequence[Attribute], markets: Sequence[Market]) -> str:
    """Return what the markets of one training share, and how to share more where one shares less than half of its attributes."""
    names = {attribute.name for attribute in shared}
    listed = ", ".join(f"`{name}`" for name in sorted(names))
    parts = [f"The markets share {count(len(names), 'attribute')}: {listed}; the model reads no other."]
    for market in markets:
        others = [
            item.name for item in market.attributes if market.config.shared_name(item.name) not in names
        ]
        if 2 * len(others) > len(market.attributes):
            parts.append(
                f"{market.name} shares {len(market.attributes) - len(others)} of its {len(market.attributes)}; train it alone, or give "
                f"`{others[0]}` the name of a column of another market by same_as in its market.toml."
            )
    return " ".join(parts)


def comparable_attributes(shared: Sequence[Attribute], markets: Sequence[Market]) -> list[Attribute]:
    """Return the `shared` attributes as a model reads them: each number as its rank within the market, and as its amount only
    where all markets with it use the same unit.
    """
    attributes: list[Attribute] = []
    for attribute in shared:
        is_number = type_of(attribute.kind).binned
        if not is_number or same_unit(attribute.name, markets):
            attributes.append(attribute)
        if is_number:
            attributes.append(rank_attribute(attribute))
    return attributes


def same_unit(name: str, markets: Sequence[Market]) -> bool:
    """Return whether all markets with the attribute `name` use the same unit.

    Raises:
        VibesError: the units are of different kinds, or one is a currency other than its market's.
    """
    units: dict[str, Market] = {}
    for market in markets:
        for attribute in market.attributes:
            if market.config.shared_name(attribute.name) == name:
                units.setdefault(unit_of(market, attribute), market)
    money = next((unit for unit in units if is_currency(unit)), "")
    for unit in units:
        if money and unit and not is_currency(unit):
            raise VibesError(
                f"'{name}' is in {unit} in {units[unit].path} but in {money} in {units[money].path}, which are not units "
                "of the same quantity; rename one of them, or correct its unit in market.toml."
            )
    return len(units) == 1 and not any(is_ambiguous(unit) for unit in units)


def keep_common_values(vocabulary: Vocabulary, parts: Sequence[pd.DataFrame]) -> Vocabulary:
    """Return `vocabulary` with only those values that two of the markets have, whose listings are `parts`."""
    entries = []
    for entry in vocabulary.attributes:
        kind, remaining = type_of(entry.kind), entry.values
        if entry.values:
            have = [set(kind.fit(part, entry.name, 2, 1).values) for part in parts if entry.name in part]
            remaining = [value for value in entry.values if sum(value in item for item in have) > 1]
            if entry.buckets and len(remaining) < LEAST_SHARED * len(entry.values):
                remaining = []
        lost = len(remaining) < len(entry.values)
        buckets = BUCKETS if entry.buckets and lost else entry.buckets
        entries.append(entry.model_copy(update={"values": remaining, "buckets": buckets}))
    return vocabulary.model_copy(update={"attributes": entries, "size": number_values(entries)})
