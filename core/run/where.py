"""Conditions on listings, as people write them: `price<=100`, `room_type=Entire home|Loft`, `pets=yes`, `amenities=Sauna`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from core.errors import VibesError
from core.market.market import Attribute, Market
from core.market.values import to_flags, to_numbers

Sign = Literal["<=", ">=", "="]
GRAMMAR = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign><=|>=|=)\s*(?P<value>.*?)\s*", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """One condition; a missing value fulfils none.

    Attributes:
        values: of which one has to be met: numbers within rounding, flags, categories without regard to case, members of a set, parts
            of a text.
    """

    attribute: Attribute
    sign: Sign
    values: tuple[str | float | bool, ...]

    def fulfilled(self, market: Market) -> np.ndarray:
        """(L,) bool: which listings of the market fulfil it."""
        column, kind = market.listings[self.attribute.name], self.attribute.kind
        if kind == "number":
            number = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)  # (L,)
            if self.sign == "=":
                return np.logical_or.reduce([np.isclose(number, value) for value in self.values])
            return number <= self.values[0] if self.sign == "<=" else number >= self.values[0]
        if kind == "flag":
            return column.isin(self.values).to_numpy(bool, na_value=False)
        wanted = [str(value).casefold() for value in self.values]
        if kind == "multi":
            return np.array(
                [_any(wanted, [str(one).casefold() for one in cell]) for cell in _sets(column)], bool
            )
        text = column.astype("string").str.casefold()
        if kind == "text":
            hits = [text.str.contains(value, regex=False) for value in wanted]
            return np.logical_or.reduce([hit.to_numpy(bool, na_value=False) for hit in hits])
        return text.isin(wanted).to_numpy(bool, na_value=False)


def read_condition(market: Market, text: str) -> Condition:
    """A condition on an attribute, by its name or label.

    Raises:
        VibesError: no condition, no such attribute, a value of another kind, or bounds on what has no order.
    """
    found = GRAMMAR.fullmatch(text)
    if found is None or not found["value"]:
        raise VibesError(f"Option --where is '{text}'; write a condition such as price<=100 or rooms=2|3.")
    name, wanted = found["name"], found["name"].casefold()
    asked = [
        a
        for a in market.attributes
        if wanted in (a.name.casefold(), a.label.casefold()) and a.kind != "place"
    ]
    if not asked:
        known = ", ".join(a.name for a in market.attributes if a.kind != "place")
        raise VibesError(f"Option --where asks for '{name}', which is no attribute; give one of: {known}.")
    attribute, sign = asked[0], found["sign"]
    if sign != "=" and attribute.kind != "number":
        raise VibesError(
            f"Option --where is '{text}', but {attribute.name} holds no numbers; use {attribute.name}=..."
        )
    parts = [part.strip() for part in found["value"].split("|")] if sign == "=" else [found["value"]]
    return Condition(attribute, sign, tuple(_value(attribute, part, text) for part in parts))  # type: ignore[arg-type]


def _value(attribute: Attribute, part: str, text: str) -> str | float | bool:
    if attribute.kind in ("number", "flag"):
        values, bad = (to_numbers if attribute.kind == "number" else to_flags)(
            pd.Series([part], dtype=object)
        )
        if bad.any() or pd.isna(values[0]):
            wanted = "a number" if attribute.kind == "number" else "yes or no"
            raise VibesError(f"Option --where is '{text}'; {attribute.name} takes {wanted}.")
        value: float | bool = values[0]
        return value
    return part


def _sets(column: pd.Series) -> list[list[str]]:
    return [list(cell) if isinstance(cell, list | tuple | np.ndarray) else [] for cell in column]


def _any(wanted: list[str], members: list[str]) -> bool:
    return any(one in members for one in wanted)
