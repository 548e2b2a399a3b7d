"""Yes or no."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import AttributeType, AttributeVocabulary, Tokens
from listing_vibes.market.attribute_types._vocabulary import Coded, inside
from listing_vibes.market.values import SEPARATOR, to_flags


class Flag(AttributeType):
    """One token with the id of no or yes."""

    shown_as = "flag"
    takes = "yes or no"

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        flags, bad = to_flags(column)
        return flags, bad, "is neither yes nor no; treated as missing"

    def parse(self, value: Any, label: str, column: str) -> Any:
        flags, bad = to_flags(pd.Series([value], dtype=object))
        if bad.any():
            raise VibesError(f"{label} is '{value}'; give yes or no.")
        return flags[0]

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        return np.asarray(column.isin(values).to_numpy(bool, na_value=False))

    def words(self, listings: pd.DataFrame, name: str) -> list[str]:
        return ["" if pd.isna(value) else "yes" if value else "no" for value in listings[name]]

    def traits(self, label: str, present: pd.Series) -> Coded:
        yes = present[present.astype(bool)].index.to_numpy()
        return label, [("Yes", inside(label))], yes, np.zeros(len(yes), int)

    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        return AttributeVocabulary(name=name, kind="flag", values=["no", "yes"])

    def tokenize(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> list[Tokens]:
        ids = np.array([*(entry.ids.get(word, 0) for word in ("no", "yes")), 0], np.int32)
        code = listings[entry.name].astype("boolean").astype("Int8").fillna(2).to_numpy(np.int8)
        return [Tokens.of_values(ids[code])]
