"""Numbers: a price, an area, a year."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import AttributeType, AttributeVocabulary, Tokens
from listing_vibes.market.attribute_types._vocabulary import MOST_BEYOND, Coded, coded_values, inside
from listing_vibes.market.values import SEPARATOR, to_numbers

FEW = 8  # up to so many distinct values are traits themselves
YEARS = (1500, 2100)
#: What people call the lowest and the highest values, by a word of the label; a plural has few or many.
ENDS = {
    "area": ("small", "large"),
    "size": ("small", "large"),
    "price": ("cheap", "expensive"),
    "rent": ("cheap", "expensive"),
}


def _call_ends(label: str) -> list[str]:
    """Return what people call low and high values: "few bedrooms" and "many bedrooms", "cheap" and "expensive"."""
    words = label.lower().split()
    ends = next((ENDS[word] for word in words if word in ENDS), None)
    if ends == ENDS["price"] and len(words) == 1:
        return list(ends)
    is_plural = words[0].endswith("s") and not words[0].endswith("ss") if words else False
    return [f"{end} {inside(label)}" for end in ends or (("few", "many") if is_plural else ("low", "high"))]


class Number(AttributeType):
    """One token with the id of its quantile bin and a piecewise-linear encoding (Gorishniy et al. 2022, "On Embeddings
    for Numerical Features in Tabular Deep Learning", section 3.2.1).
    """

    amount = binned = True
    takes = "a number"
    shown_as = "number"

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        values, bad = to_numbers(column)
        return pd.Series(values), bad, "is not a finite number; treated as missing"

    def parse(self, value: Any, label: str, column: str) -> Any:
        number, bad = to_numbers(pd.Series([value], dtype=object))
        if bad.any():
            raise VibesError(f"{label} is '{value}'; give a number.")
        return number[0]

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)
        # A table may hold 19.99 as a 32-bit float, which has other decimals; integers are exact.
        rounded = [float(np.float32(value)) for value in values if value % 1]
        return np.isin(numbers, [*values, *rounded])

    def words(self, listings: pd.DataFrame, name: str) -> list[str]:
        return ["" if pd.isna(value) else f"{value:.6g}" for value in listings[name]]

    def traits(self, label: str, present: pd.Series) -> Coded:
        """Return the lowest and the highest third as traits; for few distinct values, or mostly equal ones, the values."""
        present = present.astype(float)
        low, high = np.quantile(present, [1 / 3, 2 / 3])
        if present.nunique() <= FEW or low == high:
            return coded_values(label, present.map(lambda value: f"{value:g}"))
        pieces = _call_ends(label)
        if present.between(*YEARS).all():
            pieces = [
                f"{inside(label)} until {np.floor(low):.0f}",
                f"{inside(label)} from {np.ceil(high):.0f}",
            ]
        code = np.where(present <= low, 0, np.where(present >= high, 1, -1))
        words = list(zip(["the lowest third", "the highest third"], pieces, strict=True))
        return label, words, present.index.to_numpy()[code >= 0], code[code >= 0]

    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        numbers = listings[name].dropna().to_numpy(float)
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, bins + 1))) if len(numbers) else np.empty(0)
        if len(edges) == 1:
            edges = np.array([edges[0], np.nextafter(edges[0], np.inf)])
        return AttributeVocabulary(name=name, kind="number", edges=edges.tolist())

    def outgrown(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> float:
        numbers = listings[entry.name].dropna().to_numpy(float)
        if not len(numbers):
            return 0.0
        beyond = np.mean((numbers < entry.edges[0]) | (numbers > entry.edges[-1])) if entry.edges else 1.0
        return float(beyond) if beyond > MOST_BEYOND else 0.0

    def tokenize(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> list[Tokens]:
        numbers, edges = listings[entry.name].to_numpy(float), np.asarray(entry.edges or [0.0, 1.0])
        present = np.flatnonzero(
            np.isfinite(numbers) & (entry.size > 0)
        )  # without edges it was fitted without numbers
        clipped = np.clip(numbers[present], edges[0], edges[-1])
        bins = np.clip(np.searchsorted(edges, clipped, side="right") - 1, 0, len(edges) - 2).astype(np.int32)
        fraction = ((clipped - edges[bins]) / (edges[bins + 1] - edges[bins])).astype(np.float32)
        return [Tokens(present, 0, entry.first + bins, bins, fraction)]
