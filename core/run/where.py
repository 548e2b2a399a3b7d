"""Conditions on listings, as people write them: `price<=100`, `room_type=Entire home|Loft`, `pets=yes`, `amenities=Sauna`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from core.errors import VibesError
from core.market.kinds import kind_of
from core.market.market import Attribute, Market

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
    values: tuple[Any, ...]

    def fulfilled(self, market: Market) -> np.ndarray:
        """(L,) bool: which listings of the market fulfil it."""
        column, kind = market.listings[self.attribute.name], kind_of(self.attribute.kind)
        if self.sign == "=":
            return kind.meets(column, self.values)
        number = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)  # (L,)
        return number <= self.values[0] if self.sign == "<=" else number >= self.values[0]


def read_condition(market: Market, text: str) -> Condition:
    """A condition on an attribute, by its name or label.

    Raises:
        VibesError: no condition, no such attribute, a value of another kind, or bounds on what has no order.
    """
    found = GRAMMAR.fullmatch(text)
    text_too = not any(
        "\ud800" <= letter <= "\udfff" for letter in text
    )  # what a shell hands over need be none
    if found is None or not found["value"] or not text_too:
        raise VibesError(f"Option --where is '{text}'; write a condition such as price<=100 or rooms=2|3.")
    name, wanted = found["name"], found["name"].casefold()
    asked = [
        a
        for a in market.attributes
        if wanted in (a.name.casefold(), a.label.casefold()) and kind_of(a.kind).own_column
    ]
    if not asked:
        known = ", ".join(a.name for a in market.attributes if kind_of(a.kind).own_column)
        raise VibesError(f"Option --where asks for '{name}', which is no attribute; give one of: {known}.")
    attribute, sign = asked[0], found["sign"]
    if sign != "=" and not kind_of(attribute.kind).amount:
        raise VibesError(
            f"Option --where is '{text}', but {attribute.name} holds no numbers; use {attribute.name}=..."
        )
    parts = [part.strip() for part in found["value"].split("|")] if sign == "=" else [found["value"]]
    return Condition(attribute, sign, tuple(_value(attribute, part, text) for part in parts))  # type: ignore[arg-type]


def _value(attribute: Attribute, part: str, text: str) -> Any:
    kind = kind_of(attribute.kind)
    try:
        return kind.wanted(part)
    except VibesError as error:
        raise VibesError(f"Option --where is '{text}'; {attribute.name} takes {kind.takes}.") from error
