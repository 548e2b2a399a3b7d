"""An amount: a price, an area, a year."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.kinds import AttributeVocabulary, Cells, Claim, Coded, Kind, Told
from listing_vibes.market.kinds._portrait import coded_values, inside
from listing_vibes.market.kinds._told import MOST
from listing_vibes.market.values import SEPARATOR, to_numbers

FEW = 8  # a number with at most so many different values is told by its values
YEARS = (1500, 2100)
#: What the lowest and the highest third of numbers in such units are called.
ENDS = (
    (frozenset({"m²", "m2", "sqm", "sq m", "sq ft", "sqft", "ft²", "ha", "acres"}), ("small", "large")),
    (
        frozenset({"s", "min", "h", "minutes", "hours", "days", "nights", "weeks", "months"}),
        ("short", "long"),
    ),
)


#: Whole numbers in such a column name something: brand_id, ID, categoryId, zip_code.
_NAMES = re.compile(
    r"(?i:(.*[_\W])?(?:id|zip(?:[_\s]?code)?|plz|post(?:al)?[_\s]?code|phone(?:[_\s]?number)?|ean|gtin|sku))|.*[a-z]I[dD]"
)
_PADDED = re.compile(r"0\d{2,}")


def _coded(words: pd.Series) -> bool:
    """Whether text is codes, as zeros stand in front: in postcodes of some cells, all as long, in phone numbers of most."""
    padded = words.str.fullmatch(_PADDED).mean()
    return bool(padded > 0.5 or (padded >= 0.01 and words.str.len().nunique() == 1))


def _looks_so(cells: Cells) -> bool:
    values, bad = to_numbers(cells.words if cells.textual else cells.present)
    if cells.textual and (bad.mean() >= 0.1 or _coded(cells.words)):
        return False
    return _NAMES.fullmatch(cells.name) is None or bool((values[~bad] % 1 != 0).any())


class Number(Kind):
    """One token with the id of its quantile bin and a piecewise-linear encoding (Gorishniy et al. 2022, "On Embeddings
    for Numerical Features in Tabular Deep Learning", section 3.2.1)."""

    amount = binned = True
    takes = "a number"
    shown_as = "number"
    claims = (Claim(80, _looks_so),)

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        values, bad = to_numbers(column)
        return pd.Series(values), bad, "is no finite number; read as missing"

    def parse(self, value: Any, label: str, column: str) -> Any:
        number, bad = to_numbers(pd.Series([value], dtype=object))
        if bad.any():
            raise VibesError(f"{label} is '{value}'; give a number.")
        return number[0]

    def wanted(self, part: str) -> Any:
        return self.parse(part, "", "")

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)
        return np.logical_or.reduce([np.isclose(numbers, value) for value in values])

    def words(self, listings: pd.DataFrame, name: str) -> list[str]:
        return ["" if pd.isna(value) else f"{value:.6g}" for value in listings[name]]

    def portrait(self, label: str, unit: str, known: pd.Series) -> Coded:
        """A third each is low and high; few different values, or values mostly alike, are told by themselves, years as well."""
        known = known.astype(float)
        low, high = np.quantile(known, [1 / 3, 2 / 3])
        if known.nunique() <= FEW or low == high:
            return coded_values(label, known.map(lambda value: f"{value:g}"))
        within = inside(label)
        year = not unit and known.between(*YEARS).all()
        few, many = ("early", "late") if year else ends_of(label, unit, (known % 1 == 0).all())
        where = np.where(known <= low, 0, np.where(known >= high, 1, -1))
        texts, place = ["the lowest third", "the highest third"], known.index.to_numpy()
        told, codes = np.flatnonzero(where >= 0), where[where >= 0]
        if year and label.casefold() == "year":
            pieces = [f"until {np.floor(low):.0f}", f"{np.ceil(high):.0f} or later"]
            years, of = np.unique(known, return_inverse=True)
            texts += [f"{one:.0f}" for one in years]
            pieces += texts[2:]
            told, codes = np.append(told, np.arange(len(known))), np.append(codes, of + 2)
        elif year:
            pieces = [f"{within} {word}" for word in (few, many)]  # "built in late"
        else:
            pieces = [f"{word} {within}" for word in (few, many)]
        return label, list(zip(texts, pieces, strict=True)), place[told], codes

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
        return float(beyond) if beyond > MOST else 0.0

    def tell(self, entry: AttributeVocabulary, listings: pd.DataFrame, use_words: bool = True) -> list[Told]:
        found, fraction = number_bins(entry, listings[entry.name].to_numpy(float))
        present = np.flatnonzero(found >= 0)
        return [Told(present, 0, entry.first + found[present], found[present], fraction[present])]


def ends_of(label: str, unit: str, whole: bool) -> tuple[str, str]:
    """What the lowest and the highest of numbers, which may be `whole`, are called: few and many of what is counted, such as
    Guests, small and large areas, short and long times, all else low and high."""
    if whole and not unit and label.endswith("s") and not label.endswith("ss"):
        return "few", "many"
    return next((ends for units, ends in ENDS if unit.lower() in units), ("low", "high"))


def number_bins(entry: AttributeVocabulary, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bins (L,) int32 (0-based, -1 missing) and the fraction (L,) float32 of the way through the bin, in [0, 1]."""
    if entry.size == 0:
        return np.full(len(numbers), -1, np.int32), np.zeros(len(numbers), np.float32)
    edges = np.asarray(entry.edges)
    known = np.isfinite(numbers)
    clipped = np.clip(np.where(known, numbers, edges[0]), edges[0], edges[-1])
    bins = np.clip(np.searchsorted(edges, clipped, side="right") - 1, 0, entry.size - 1)
    fraction = (clipped - edges[bins]) / (edges[bins + 1] - edges[bins])
    return np.where(known, bins, -1).astype(np.int32), np.where(known, fraction, 0).astype(np.float32)
