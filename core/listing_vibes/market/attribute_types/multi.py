"""Sets of names: amenities, genres, actors."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.market.attribute_types import AttributeType, AttributeVocabulary, Tokens
from listing_vibes.market.attribute_types._vocabulary import (
    MOST_VALUES,
    Coded,
    coded_values,
    frequent,
    member_ids,
)
from listing_vibes.market.values import SEPARATOR, to_set, to_sets


class Multi(AttributeType):
    """One token with the set of the members' ids."""

    single_valued = short = False
    separated = True
    shown_as = "multi"

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        return pd.Series(to_sets(column, separator), dtype=object), np.zeros(len(column), bool), ""

    def parse(self, value: Any, label: str, column: str) -> Any:
        return to_set(value)

    def parse_condition(self, part: str) -> Any:
        return part

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        """Return where one of the values is a member."""
        requested = {value.casefold() for value in values}
        return np.array(
            [any(member.casefold() in requested for member in cell) for cell in _members(column)], bool
        )

    def distinct(self, listings: pd.DataFrame, name: str) -> int:
        return int(listings[name].explode().nunique())

    def words(self, listings: pd.DataFrame, name: str) -> list[str]:
        return [", ".join(cell) for cell in _members(listings[name])]

    def traits(self, label: str, present: pd.Series) -> Coded:
        return coded_values(label, present.explode().dropna())

    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        members = chain.from_iterable(_members(listings[name]))
        return AttributeVocabulary(name=name, kind="multi", values=frequent(members, min_count)[:MOST_VALUES])

    def tokenize(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> list[Tokens]:
        return [Tokens.of_sets(member_ids(entry, _members(listings[entry.name])))]


def _members(column: pd.Series) -> list[Any]:
    return [cell if isinstance(cell, list | tuple | np.ndarray) else [] for cell in column]
