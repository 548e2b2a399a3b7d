r"""Conditions on listings, as users write them: `price<=100`, `rooms>2`, `room_type=Entire home|Loft`, `pets=yes`, `amenities=Sauna`,
`within 3km of 48.14,11.58`, `live on 2025-03-03`; a | in a value is written as \|.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import MAX_COORDINATE
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import DAY
from listing_vibes.market.market import Attribute, Market
from listing_vibes.market.moments import moment_in_log
from listing_vibes.market.splits import Catalogue

BOUNDS: dict[str, Callable[..., Any]] = {
    "<=": np.less_equal, ">=": np.greater_equal, "<": np.less, ">": np.greater,
}  # fmt: skip
#: The sign between name and value. A regular expression for the full condition would backtrack over many spaces.
SIGN = re.compile("|".join([*BOUNDS, "="]))
BETWEEN = re.compile(r"(?<!\\)\|")  # between several values
MOST_VALUES = 1000
NUMBER = r"\d+(?:\.\d+)?"
LOCATION = rf"-?{NUMBER}\s*,\s*-?{NUMBER}"
KILOMETERS = {"km": 1.0, "m": 0.001}
EARTH_RADIUS = 6371.0  # km
WITHIN = re.compile(rf"\s*within\s+(?P<way>{NUMBER})\s*(?P<unit>km|m)\s+of\s+(?P<location>{LOCATION})\s*")
LIVE = re.compile(r"\s*live\s+on\s+(?P<day>\d{4}-\d{2}-\d{2})\s*")


@dataclass(frozen=True)
class LiveOn:
    """A condition: published by the end of a day, and not expired at its start; a missing date is no limit."""

    begin: int  # nanoseconds UTC
    end: int

    def fulfilled(self, market: Market) -> np.ndarray:
        """Return (L,) bool: which listings of the market fulfil it."""
        return Catalogue(*market.live_interval()).during(self.begin, self.end)


@dataclass(frozen=True)
class Within:
    """A condition: at most so many kilometers from a location (degrees), and with a location."""

    kilometers: float
    location: tuple[float, float]

    def fulfilled(self, market: Market) -> np.ndarray:
        """Return (L,) bool: which listings of the market fulfil it."""
        return measure_distance(market, self.location) <= self.kilometers


@dataclass(frozen=True)
class Comparison:
    """A condition on an attribute, which a missing value does not fulfill.

    Attributes:
        values: the alternatives: numbers (compared within rounding), flags, categories (case-insensitive), members of a set, or
            parts of a text.
    """

    attribute: Attribute
    sign: str  # one of `BOUNDS`, or =
    values: tuple[Any, ...]

    def fulfilled(self, market: Market) -> np.ndarray:
        """Return (L,) bool: which listings of the market fulfil it."""
        column, kind = market.listings[self.attribute.name], type_of(self.attribute.kind)
        if self.sign == "=":
            return kind.meets(column, self.values)
        number = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)  # (L,)
        return np.asarray(BOUNDS[self.sign](number, self.values[0]))


Condition: TypeAlias = Comparison | Within | LiveOn


def holding(name: str, value: str) -> str:
    r"""Return the condition that an attribute has a value, with special characters escaped.

    >>> holding("type", "A|B")
    'type=A\\|B'
    """
    return f"{name}=" + value.replace("|", r"\|")


def read_condition(market: Market, text: str) -> Condition:
    """Parse a condition on an attribute, by its name or label, on the distance from a location, or on a day.

    Raises:
        VibesError: the text is not a condition, there is no such attribute, or the value or the sign does not match its type.
    """
    option = f"Option --where is '{text}'"
    if match := WITHIN.fullmatch(text):
        location = read_location(market, match["location"], option)
        return Within(float(match["way"]) * KILOMETERS[match["unit"]], location)
    if match := LIVE.fullmatch(text):
        if not {C.PUBLISHED, C.EXPIRES} & set(market.listings.columns):
            raise VibesError(
                f"{option}, but {market.path} has no dates of its listings; add {C.PUBLISHED} or {C.EXPIRES}, or leave it "
                "out."
            )
        begin = moment_in_log(match["day"], True, "The day of --where")
        return LiveOn(begin, begin + DAY)
    return _read_comparison(market, text, option)


def _read_comparison(market: Market, text: str, option: str) -> Comparison:
    stripped = text.strip()
    match = SIGN.search(stripped, 1)  # The name has at least one letter.
    value = "" if match is None else stripped[match.end() :].lstrip()
    is_unicode = not any("\ud800" <= letter <= "\udfff" for letter in text)  # A shell may pass invalid text.
    if match is None or not value or not is_unicode:
        raise VibesError(
            f"{option}; write a condition such as price<=100, rooms=2|3, within 3km of 48.14,11.58 or live on 2025-03-03."
        )
    attribute, sign = _find_attribute(market, stripped[: match.start()].rstrip()), match[0]
    if sign != "=" and not type_of(attribute.kind).amount:
        raise VibesError(f"{option}, but {attribute.name} is not a number; use {attribute.name}=...")
    several = BETWEEN.split(value) if sign == "=" else [value]
    if len(several) > MOST_VALUES:
        raise VibesError(
            f"Option --where has {len(several):,} values of {attribute.name}; give at most {MOST_VALUES:,}."
        )
    kind = type_of(attribute.kind)
    try:
        values = [kind.parse_condition(attribute.typed(item.replace(r"\|", "|").strip())) for item in several]
    except VibesError as error:
        raise VibesError(f"{option}; {attribute.name} takes {kind.takes}.") from error
    return Comparison(attribute, sign, tuple(values))


def _find_attribute(market: Market, name: str) -> Attribute:
    available = [attribute for attribute in market.attributes if type_of(attribute.kind).has_column]
    for attribute in available:
        if name.casefold() in (attribute.name.casefold(), attribute.label.casefold()):
            return attribute
    if name.casefold() in map(str.casefold, market.config.excluded):
        raise VibesError(
            f"Option --where names '{name}', which market.toml excludes; use another attribute, or remove it from excluded (only the "
            "rules same and at_most can use excluded columns)."
        )
    names = ", ".join(item.name for item in available)
    raise VibesError(f"Option --where names '{name}', which is not an attribute; give one of: {names}.")


def read_location(market: Market, text: str, option: str) -> tuple[float, float]:
    """Return (latitude, longitude) in degrees of a match of `LOCATION`; `option` starts the error message.

    Raises:
        VibesError: the location is out of range, or the listings of the market have none.
    """
    latitude, longitude = (float(part) for part in text.split(","))
    for name, value in ((C.LATITUDE, latitude), (C.LONGITUDE, longitude)):
        if abs(value) > MAX_COORDINATE[name]:
            raise VibesError(
                f"{option}; {name} goes from -{MAX_COORDINATE[name]:g} to {MAX_COORDINATE[name]:g}."
            )
        if name not in market.listings:
            raise VibesError(
                f"{option}, but the listings of {market.path} have no {name}; leave the condition out."
            )
    return latitude, longitude


def measure_distance(market: Market, location: tuple[float, float]) -> np.ndarray:
    """Return the distances (L,) in km on the sphere (haversine); NaN for a listing without a location."""
    latitude, longitude = (
        np.radians(market.listings[name].to_numpy(float, na_value=np.nan))
        for name in (C.LATITUDE, C.LONGITUDE)
    )
    north, east = np.radians(location)
    half = (
        np.sin((latitude - north) / 2) ** 2
        + np.cos(latitude) * np.cos(north) * np.sin((longitude - east) / 2) ** 2
    )
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(half, 1))))
