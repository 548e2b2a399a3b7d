"""Yes or no."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.kinds import AttributeVocabulary, Cells, Claim, Coded, Kind, Told, ids_of
from listing_vibes.market.kinds._portrait import inside
from listing_vibes.market.values import FLAGS, SEPARATOR, to_flags


def _looks_so(cells: Cells) -> bool:
    if pd.api.types.is_bool_dtype(cells.column.dtype):
        return True
    if cells.listed:
        return False
    if not cells.textual:
        return set(cells.present.unique()) <= {0, 1}
    return cells.some <= set(FLAGS) or cells.some <= {"0", "1"}


class Flag(Kind):
    """One token with the id of no or yes."""

    shown_as = "flag"
    takes = "yes or no"
    claims = (Claim(100, _looks_so),)

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        flags, bad = to_flags(column)
        return flags, bad, "is neither yes nor no; read as missing"

    def parse(self, value: Any, label: str, column: str) -> Any:
        flags, bad = to_flags(pd.Series([value], dtype=object))
        if bad.any():
            raise VibesError(f"{label} is '{value}'; give yes or no.")
        return flags[0]

    def wanted(self, part: str) -> Any:
        return self.parse(part, "", "")

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        return column.isin(values).to_numpy(bool, na_value=False)

    def words(self, listings: pd.DataFrame, name: str) -> list[str]:
        return ["" if pd.isna(value) else "yes" if value else "no" for value in listings[name]]

    def portrait(self, label: str, unit: str, known: pd.Series) -> Coded:
        yes = known[known.astype(bool)].index.to_numpy()
        return label, [("Yes", inside(label))], yes, np.zeros(len(yes), int)

    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        return AttributeVocabulary(name=name, kind="flag", values=["no", "yes"])

    def tell(self, entry: AttributeVocabulary, listings: pd.DataFrame, use_words: bool = True) -> list[Told]:
        known, column = ids_of(entry), listings[entry.name]
        no, yes = (known.get(word, 0) for word in ("no", "yes"))
        flags = column.astype("boolean")
        values = np.where(flags.fillna(False).to_numpy(bool), yes, no).astype(np.int32)
        values[column.isna().to_numpy()] = 0
        present = np.flatnonzero(values > 0)
        return [Told(present, value=values[present])]
