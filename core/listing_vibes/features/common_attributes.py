"""The attributes that several markets share, and those values of them that further markets can share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.market_ranks import rank_name
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.amounts import is_ambiguous, is_currency, unit_of
from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.market import Market

#: Buckets of a category whose values mostly differ between markets, such as districts and sellers: a new market
#: has only unseen values, so in training, too, such values only show that two listings have the same one.
BUCKETS = 512
#: Below this share of values that occur in two markets, a category is not shared: some names are equal by chance.
LEAST_SHARED = 0.1


def common_attributes(markets: Sequence[Market]) -> list[Attribute]:
    """Return the attributes of at least two markets, by their shared name.

    Raises:
        VibesError: a market shares none, or an attribute has two types.
    """
    values: dict[str, tuple[Attribute, Market]] = {}
    count: Counter[str] = Counter()
    for market in markets:
        for attribute in market.attributes:
            name = market.config.shared_name(attribute.name)
            item, where = values.setdefault(name, (replace(attribute, name=name), market))
            if item.kind != attribute.kind:
                raise VibesError(
                    f"Attribute '{attribute.name}' is a {attribute.kind} in {market.path} but a {item.kind} in {where.path}; give "
                    f"both the same kind under [attributes.{attribute.name}] in market.toml, or exclude one."
                )
            count[name] += 1
    for market in markets:
        if all(count[market.config.shared_name(attribute.name)] < 2 for attribute in market.attributes):
            raise VibesError(
                f"{market.path} shares no attribute with the other markets; give one of its columns their name by same_as under "
                "[attributes.COLUMN] in its market.toml."
            )
    return [item for name, (item, _) in values.items() if count[name] > 1]


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
            name, label = rank_name(attribute.name), rank_name(attribute.label)
            attributes.append(replace(attribute, name=name, label=label, unit=""))
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
    entries, following = [], 1
    for entry in vocabulary.attributes:
        kind, remaining = type_of(entry.kind), entry.values
        if entry.values:
            have = [set(kind.fit(part, entry.name, 2, 1).values) for part in parts if entry.name in part]
            remaining = [value for value in entry.values if sum(value in item for item in have) > 1]
            if entry.buckets and len(remaining) < LEAST_SHARED * len(entry.values):
                remaining = []
        lost = len(remaining) < len(entry.values)
        buckets = BUCKETS if entry.buckets and lost else entry.buckets
        entry = entry.model_copy(update={"values": remaining, "buckets": buckets, "first": following})
        following += entry.size
        entries.append(entry)
    return vocabulary.model_copy(update={"attributes": entries, "size": following})
