"""Conditions on listings, as people write them: `price<=100`, `rooms>2`, `room_type=Entire home|Loft`, `pets=yes`, `amenities=Sauna`,
`within 3km of 48.14,11.58`, `live on 2025-03-03`; a value that has a | itself is written with \\|."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.kinds import kind_of
from listing_vibes.market.log import DAY
from listing_vibes.market.market import Attribute, Market
from listing_vibes.market.moments import moment_in_log
from listing_vibes.market.splits import Catalogue
from listing_vibes.run.places import KILOMETRES, NUMBER, PLACE, distance, read_place

BOUNDS = {"<=": np.less_equal, ">=": np.greater_equal, "<": np.less, ">": np.greater}
#: What parts a name from a value. A pattern of the whole would try each of many spaces as the end of the name.
SIGN = re.compile("|".join([*BOUNDS, "="]))
BETWEEN = re.compile(r"(?<!\\)\|")  # of several values
MOST_VALUES = 1000
WITHIN = re.compile(rf"\s*within\s+(?P<way>{NUMBER})\s*(?P<metre>km|m)\s+of\s+(?P<place>{PLACE})\s*")
LIVE = re.compile(r"\s*live\s+on\s+(?P<day>\d{4}-\d{2}-\d{2})\s*")


@dataclass(frozen=True)
class LiveOn:
    """Published by the end of a day, and not expired when it began; an end that nobody knows is open."""

    begin: int  # nanoseconds UTC
    end: int

    def fulfilled(self, market: Market) -> np.ndarray:
        """(L,) bool: which listings of the market fulfil it."""
        return Catalogue(*market.live_interval()).during(self.begin, self.end)


@dataclass(frozen=True)
class Within:
    """At most so many kilometres from a place (degrees) on the ground; what has no place is not."""

    kilometres: float
    place: tuple[float, float]

    def fulfilled(self, market: Market) -> np.ndarray:
        """(L,) bool: which listings of the market fulfil it."""
        return distance(market, self.place) <= self.kilometres


@dataclass(frozen=True)
class Condition:
    """One condition; a missing value fulfils none.

    Attributes:
        values: of which one has to be met: numbers within rounding, flags, categories without regard to case, members of a set, parts
            of a text.
    """

    attribute: Attribute
    sign: str  # one of `BOUNDS`, or =
    values: tuple[Any, ...]

    def fulfilled(self, market: Market) -> np.ndarray:
        """(L,) bool: which listings of the market fulfil it."""
        column, kind = market.listings[self.attribute.name], kind_of(self.attribute.kind)
        if self.sign == "=":
            return kind.meets(column, self.values)
        number = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)  # (L,)
        fulfilled: np.ndarray = BOUNDS[self.sign](number, self.values[0])
        return fulfilled


def holding(name: str, value: str) -> str:
    r"""The condition that an attribute has a value, whatever signs that holds.

    >>> holding("type", "A|B")
    'type=A\\|B'
    """
    return f"{name}=" + value.replace("|", r"\|")


def read_condition(market: Market, text: str) -> Condition | Within | LiveOn:
    """A condition on an attribute, by its name or label, on the distance from a place, or on a day.

    Raises:
        VibesError: no condition, no such attribute, a value of another kind, or bounds on what has no order.
    """
    if near := WITHIN.fullmatch(text):
        place = read_place(market, near["place"], f"Option --where is '{text}'")
        return Within(float(near["way"]) * KILOMETRES[near["metre"]], place)
    if day := LIVE.fullmatch(text):
        return _live_on(market, day["day"], text)
    told = text.strip()
    found = SIGN.search(told, 1)  # the name has a letter at least
    text_too = not any(
        "\ud800" <= letter <= "\udfff" for letter in text
    )  # what a shell hands over need be none
    if found is None or not (value := told[found.end() :].lstrip()) or not text_too:
        raise VibesError(
            f"Option --where is '{text}'; write a condition such as price<=100, rooms=2|3, within 3km of 48.14,11.58 or live on 2025-03-03."
        )
    name = told[: found.start()].rstrip()
    wanted = name.casefold()
    asked = [
        a
        for a in market.attributes
        if wanted in (a.name.casefold(), a.label.casefold()) and kind_of(a.kind).own_column
    ]
    if not asked and wanted in map(str.casefold, market.config.excluded):
        raise VibesError(
            f"Option --where asks for '{name}', which market.toml excludes; --same and --at-most may use such a column, conditions only "
            "one that is not excluded."
        )
    if not asked:
        known = ", ".join(a.name for a in market.attributes if kind_of(a.kind).own_column)
        raise VibesError(f"Option --where asks for '{name}', which is no attribute; give one of: {known}.")
    attribute, sign = asked[0], found[0]
    if sign != "=" and not kind_of(attribute.kind).amount:
        raise VibesError(
            f"Option --where is '{text}', but {attribute.name} holds no numbers; use {attribute.name}=..."
        )
    several = BETWEEN.split(value) if sign == "=" else [value]
    parts = [part.replace(r"\|", "|").strip() for part in several]
    if len(parts) > MOST_VALUES:
        raise VibesError(
            f"Option --where asks for {len(parts):,} values of {attribute.name}; give at most {MOST_VALUES:,}."
        )
    return Condition(attribute, sign, tuple(_value(attribute, part, text) for part in parts))


def _live_on(market: Market, day: str, text: str) -> LiveOn:
    if not {C.PUBLISHED, C.EXPIRES} & set(market.listings.columns):
        raise VibesError(
            f"Option --where is '{text}', but {market.path} does not say when listings are live; give {C.PUBLISHED} or "
            f"{C.EXPIRES}, or leave it out."
        )
    begin = moment_in_log(day, True, "The day of --where")
    return LiveOn(begin, begin + DAY)


def _value(attribute: Attribute, part: str, text: str) -> Any:
    kind = kind_of(attribute.kind)
    try:
        return kind.wanted(attribute.typed(part))
    except VibesError as error:
        raise VibesError(f"Option --where is '{text}'; {attribute.name} takes {kind.takes}.") from error
