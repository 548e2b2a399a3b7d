"""The attributes of a map's listings as histograms: a code per listing, and the condition that each bar stands for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from listing_vibes.errors import printable
from listing_vibes.insight.drafts import separating
from listing_vibes.market.amounts import display_unit, number, years_of
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.market import Market
from listing_vibes.words import cut

UNKNOWN = 255  # code of a missing value
BARS, VALUES, MEMBERS = 20, 5, 8  # bars of a number, values of a category, members of a set (bits of a code)
LETTERS = 40  # of a value
DIGITS = 5  # from which a number is an identifier
MOST = 12  # facets
PARTS = 3  # most parts of a number
SKEWED = 10  # times the median, above which the highest values need a logarithmic axis


@dataclass(frozen=True, eq=False)
class Facet:
    """An attribute as a histogram of B bars."""

    name: str
    label: str
    #: "number" (a code is a bar), "value" (a code is a bar; B and above are other values) or "set" (a code has a bit for each bar).
    kind: str
    bars: list[str]  # the label of each
    codes: np.ndarray = field(repr=False)  # (n,) uint8; `UNKNOWN` for a missing value
    #: The B - 1 limits between the bars of a number, as a condition writes them: bar i has `name>=ends[i-1]` and `name<ends[i]`.
    ends: list[str] = field(default_factory=list)
    #: The value of each bar, as a condition writes it, unless the attribute is a number.
    values: list[str] = field(default_factory=list)
    more: int = 0  # values without a bar
    within: str = (
        ""  # the condition that its listings fulfill, such as `deal=rent` for the prices of rents; empty: all
    )

    @property
    def totals(self) -> list[int]:
        """The number of listings of each bar."""
        bars = np.arange(len(self.bars))
        is_in = self.codes[:, None] >> bars & 1 if self.kind == "set" else self.codes[:, None] == bars
        return [int(total) for total in is_in.sum(axis=0)]


def facets(market: Market, rows: np.ndarray) -> list[Facet]:
    """Return the facets of the listings `rows` (n,), those of the fewest missing values first within numbers, then the others."""
    results: list[Facet | None] = []
    for item in market.attributes:
        if item.name == market.title or item.shown_as not in ("number", "category", "flag", "multi"):
            continue
        column = market.listings[item.name].iloc[rows].reset_index(drop=True)
        if item.shown_as != "number":
            results.append(_values(item, column))
            continue
        whole = _number(market, item, column)
        parts = [_number(market, item, column, *part) for part in number_parts(market, item, rows)]
        results += [part for part in parts if part is not None] or [whole]
    available = [facet for facet in results if facet is not None]
    return sorted(available, key=lambda facet: facet.kind != "number")[:MOST]


def number_parts(
    market: Market, item: Attribute, rows: np.ndarray
) -> list[tuple[Attribute, str, np.ndarray]]:
    """Return the category by which a number is split, its value and the listings (n,) bool of each part: rents and sales have no
    common axis.
    """
    category = next(iter(separating(market, item.name)), None)
    if category is None:
        return []
    texts = market.listings[category.name].iloc[rows].astype("string").reset_index(drop=True)
    has_number = market.listings[item.name].iloc[rows].notna().to_numpy()
    often = texts[has_number].value_counts().index[:PARTS]
    return [(category, str(value), (texts == value).fillna(False).to_numpy(bool)) for value in often]


def _number(
    market: Market,
    item: Attribute,
    column: pd.Series,
    category: Attribute | None = None,
    value: str = "",
    is_part: np.ndarray | None = None,
) -> Facet | None:
    """Return the histogram of a number, with a `category` of the listings that `is_part` (n,) bool marks as having its `value`."""
    amounts = column.to_numpy(float, na_value=np.nan)
    if is_part is not None:
        amounts = np.where(is_part, amounts, np.nan)
    present = amounts[np.isfinite(amounts)]
    distinct = np.unique(present)
    if len(distinct) < 2:
        return None
    ends = distinct[1:] if len(distinct) <= BARS else _ends(present)
    codes = np.where(np.isfinite(amounts), np.searchsorted(ends, amounts, side="right"), UNKNOWN)
    unit, grouped = display_unit(market, item), item.name not in years_of(market)
    words = [number(float(end), unit, grouped) for end in ends]
    if len(distinct) <= BARS:
        bars = [number(float(value), unit, grouped) for value in distinct]
    else:
        middle = [f"{low} to {high}" for low, high in pairwise(words)]
        bars = [f"below {words[0]}", *middle, f"{words[-1]} or more"]
    texts = [np.format_float_positional(end, trim="-").replace(".", item.decimal or ".") for end in ends]
    label, within = item.label, ""
    if category is not None:
        label, within = f"{label}, {cut(printable(value), LETTERS)}", f"{category.name}={_escaped(value)}"
    return Facet(item.name, label, "number", bars, codes.astype(np.uint8), ends=texts, within=within)


def _ends(present: np.ndarray) -> np.ndarray:
    """Return at most `BARS` - 1 limits between bars, as short numbers so that a condition on them is exact: equal steps, or equal
    ratios if a few values are far above the others, such as prices of sales among rents.
    """
    low, middle, high = np.quantile(present, [0.01, 0.5, 0.99])
    space = np.geomspace if low > 0 and high > SKEWED * middle else np.linspace
    steps = np.array([float(f"{step:.3g}") for step in space(low, high, BARS - 1)])
    return np.unique(np.ceil(steps) if (present % 1 == 0).all() else steps)


def _values(item: Attribute, column: pd.Series) -> Facet | None:
    if item.shown_as == "multi":
        members = column.dropna().explode().dropna().astype(str)
        often = members.value_counts().index[:MEMBERS].tolist()
        place = members.map({value: at for at, value in enumerate(often)}).dropna().astype(int)
        codes = np.zeros(len(column), np.uint8)
        np.bitwise_or.at(codes, place.index.to_numpy(), (1 << place.to_numpy()).astype(np.uint8))
        return _facet(item, "set", often, codes) if often else None
    if item.shown_as == "flag":
        column = column.map({True: "Yes", False: "No"})
    texts = column.dropna().astype(str)
    often = texts.value_counts().index[:VALUES].tolist()
    if len(texts) == 0 or 2 * texts.nunique() > len(texts):  # names rather than values
        return None
    if all(text.isdecimal() and len(text) >= DIGITS for text in often):  # numbers of hosts
        return None
    codes = texts.map({value: at for at, value in enumerate(often)}).fillna(len(often))
    codes = codes.reindex(column.index, fill_value=UNKNOWN)
    return _facet(item, "value", often, codes.to_numpy(np.uint8), texts.nunique() - len(often))


def _facet(item: Attribute, kind: str, values: Sequence[str], codes: np.ndarray, more: int = 0) -> Facet:
    """Return a facet with a bar for each of the `values`."""
    labels = [cut(printable(value), LETTERS) for value in values]
    escaped = list(map(_escaped, values))
    return Facet(item.name, item.label, kind, labels, codes, values=escaped, more=more)


def _escaped(value: str) -> str:
    """Return a value as a condition writes it."""
    return value.replace("|", r"\|")
