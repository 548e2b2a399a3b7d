"""A set of names: amenities, genres, actors."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.market.kinds import AttributeVocabulary, Cells, Claim, Coded, Kind, Told
from listing_vibes.market.kinds._portrait import coded_values
from listing_vibes.market.kinds._told import MOST_VALUES, frequent, member_ids, members_count
from listing_vibes.market.values import SEPARATOR, to_set, to_sets

_ENOUGH = 1_000  # different cells that tell whether members return
_BRACES = re.compile(r"\{[^{}:]*\}")  # an object of JSON is no set


def _brackets(cells: Cells) -> bool:
    if pd.api.types.is_numeric_dtype(cells.column.dtype):  # a million of them need not be spelt out
        return False
    return (
        cells.listed
        or (cells.words.str.startswith("[").mean() > 0.9 and cells.words.str.endswith("]").mean() > 0.9)
        or cells.words.str.fullmatch(_BRACES).mean() > 0.9
    )


def _members_return(cells: Cells) -> bool:
    """Cells parted by the usual separator whose parts stand in others, too: of titles such as "Attic | Bergen" the first seldom does."""
    if cells.holding(SEPARATOR) <= 0.2:
        return False
    parts = pd.Series(cells.words.unique()[:_ENOUGH]).map(to_set).explode().dropna()
    return bool(parts.duplicated(keep=False).mean() > 0.9)


class Multi(Kind):
    """One token with the set of the members' ids."""

    one_value = short = False
    separated = True
    shown_as = "multi"
    claims = (
        Claim(90, _brackets),
        Claim(75, _members_return),  # before text, as members may have several words
        Claim(60, lambda cells: cells.holding(SEPARATOR) > 0.2),
    )

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        return pd.Series(to_sets(column, separator), dtype=object), np.zeros(len(column), bool), ""

    def parse(self, value: Any, label: str, column: str) -> Any:
        return to_set(value)

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        """Where one of the values is a member."""
        wanted = {value.casefold() for value in values}
        return np.array(
            [bool(wanted & {str(one).casefold() for one in cell}) for cell in _members(column)], bool
        )

    def distinct(self, listings: pd.DataFrame, name: str) -> int:
        return int(listings[name].explode().nunique())

    def words(self, listings: pd.DataFrame, name: str) -> list[str]:
        return [", ".join(map(str, cell)) for cell in _members(listings[name])]

    def portrait(self, label: str, unit: str, known: pd.Series) -> Coded:
        return coded_values(label, known.explode().dropna())

    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        kept = frequent(members_count(listings[name].dropna()), min_count)
        return AttributeVocabulary(name=name, kind="multi", values=kept[:MOST_VALUES])

    def tell(self, entry: AttributeVocabulary, listings: pd.DataFrame, use_words: bool = True) -> list[Told]:
        return [Told.of_sets(member_ids(entry, _members(listings[entry.name])))]


def _members(column: pd.Series) -> list[Any]:
    return [cell if isinstance(cell, list | tuple | np.ndarray) else [] for cell in column]
