r"""Conditions on listings, as users write them: `price<=100`, `rooms>2`, `room_type=Entire home|Loft`, `pets=yes`, `amenities=Sauna`,
`within 3km of 48.14,11.58`, `live on 2025-03-03`; a | in a value is written as \|. And the values of columns that other rules compare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.columns import MAX_COORDINATE
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import DAY
from listing_vibes.market.market import Market
from listing_vibes.market.moments import moment_in_log
from listing_vibes.market.splits import Catalogue
from listing_vibes.market.values import as_ids, id_text
from listing_vibes.request_errors import RequestError
from listing_vibes.run.rules import Rules

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


def holding(name: str, value: str) -> str:
    r"""Return the condition that an attribute has a value, with special characters escaped.

    >>> holding("type", "A|B")
    'type=A\\|B'
    """
    return f"{name}=" + value.replace("|", r"\|")


def fulfilling(market: Market, text: str, rule: str = "Rule where") -> np.ndarray:
    """Return (L,) bool: which listings fulfill a condition on an attribute, on the distance from a location, or on a day.

    A missing value does not fulfill a condition.

    Args:
        rule: the subject of error messages.

    Raises:
        VibesError: the text is not a condition, there is no such attribute, or the value or the sign does not match its type.
    """
    if match := WITHIN.fullmatch(text):
        distance = measure_distance(market, read_location(market, match["location"], rule, text))
        return np.asarray(distance <= float(match["way"]) * KILOMETERS[match["unit"]])
    if match := LIVE.fullmatch(text):
        if not {C.PUBLISHED, C.EXPIRES} & set(market.listings.columns):
            raise RequestError("no_dates", rule=rule, text=text, market=market.path)
        day = moment_in_log(match["day"], True, f"The day of {rule}")
        return Catalogue(*market.live_interval()).during(day, day + DAY)
    attribute, sign, values = read_comparison(market, text, rule)
    column = market.listings[attribute.name]
    if sign == "=":
        return type_of(attribute.kind).meets(column, values)
    number = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)  # (L,)
    return np.asarray(BOUNDS[sign](number, values[0]))


def read_comparison(market: Market, text: str, rule: str = "Rule where") -> tuple[Attribute, str, list[Any]]:
    """Parse a condition on an attribute, by its name or label.

    Returns:
        the attribute, one of `BOUNDS` or "=", and the alternatives: numbers, flags, categories
        (case-insensitive), members of a set, or parts of a text.

    Raises:
        VibesError: as for `fulfilling`.
    """
    stripped = text.strip()
    match = SIGN.search(stripped, 1)  # The name has at least one letter.
    value = "" if match is None else stripped[match.end() :].lstrip()
    is_unicode = not any("\ud800" <= letter <= "\udfff" for letter in text)  # A shell may pass invalid text.
    if match is None or not value or not is_unicode:
        raise RequestError("bad_condition", rule=rule, text=text)
    name, sign = stripped[: match.start()].rstrip(), match[0]
    available = [attribute for attribute in market.attributes if type_of(attribute.kind).has_column]
    attribute = _by_name(available, name)
    if attribute is None:
        choices = ", ".join(item.name for item in available)
        raise RequestError("unknown_attribute", rule=rule, name=name, choices=choices)
    kind, several = type_of(attribute.kind), BETWEEN.split(value) if sign == "=" else [value]
    if sign != "=" and not kind.amount:
        names = {"attribute": attribute.name, "kind": attribute.kind, "value": value}
        raise RequestError("no_order", names, rule=rule, text=text)
    if len(several) > MOST_VALUES:
        counts = {"values": len(several), "limit": MOST_VALUES}
        raise RequestError("too_many_alternatives", counts, rule=rule, attribute=attribute.name)
    try:
        values = [kind.parse_condition(attribute.typed(item.replace(r"\|", "|").strip())) for item in several]
    except VibesError as error:
        names = {"attribute": attribute.name, "takes": kind.takes}
        raise RequestError("bad_condition_value", names, rule=rule, text=text) from error
    return attribute, sign, values


def _by_name(attributes: Iterable[Attribute], name: str) -> Attribute | None:
    """Return the attribute with this name or label, in any case; None if there is none."""
    key = name.strip().casefold()
    return next((a for a in attributes if key in (a.name.casefold(), a.label.casefold())), None)


def read_location(market: Market, location: str, rule: str, text: str) -> tuple[float, float]:
    """Return (latitude, longitude) in degrees of a match of `LOCATION`, which is in the value `text` of a rule.

    Raises:
        VibesError: the location is out of range, or the listings of the market have none.
    """
    latitude, longitude = (float(part) for part in location.split(","))
    for name, value in ((C.LATITUDE, latitude), (C.LONGITUDE, longitude)):
        if abs(value) > MAX_COORDINATE[name]:
            raise RequestError("bad_location", rule=rule, text=text, name=name, limit=MAX_COORDINATE[name])
        if name not in market.listings:
            raise RequestError("no_locations", rule=rule, text=text, name=name, market=market.path)
    return latitude, longitude


def measure_distance(market: Market, location: Sequence[float]) -> np.ndarray:
    """Return the distances (L,) in km of the listings; NaN for a listing without a location."""
    columns = [market.listings[name].to_numpy(float, na_value=np.nan) for name in (C.LATITUDE, C.LONGITUDE)]
    return great_circle(np.stack(columns, axis=1), location)


def great_circle(locations: np.ndarray, location: Sequence[float]) -> np.ndarray:
    """Return the distances (n,) in km on the sphere (haversine) of `locations` (n, 2), latitude and longitude, from one."""
    latitude, longitude = np.radians(locations).T
    north, east = np.radians(location)
    half = (
        np.sin((latitude - north) / 2) ** 2
        + np.cos(latitude) * np.cos(north) * np.sin((longitude - east) / 2) ** 2
    )
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(half, 1))))


def explain_unmet(market: Market, rules: Rules) -> str | None:
    """Return a sentence about the first condition that no listing fulfills; None if each is fulfilled."""
    for text in rules.where:
        if not fulfilling(market, text).any():
            return f"No listing of the market fulfills '{text}'; change that condition, or leave it out."
    return None


@dataclass(frozen=True, eq=False)
class Groups:
    """The values that the rules compare, by listing row."""

    region: np.ndarray | None = None  # (L,) int64, equal where the attributes of `same` are equal
    seller: np.ndarray | None = None  # (L,) int64, -1 missing
    fulfilling: np.ndarray | None = None  # (L,) bool, which listings fulfill `where`; None: all
    #: (L,) bool, which listings the rules with `Declared.allows` allow; None: all
    allowed: np.ndarray | None = None
    #: Rows of listings by the name of the user who owns them, as the log has it.
    owned: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Rules, market: Market) -> Groups:
        """Return the values of the columns that `rules` name.

        Raises:
            VibesError: a condition cannot be parsed, or the market has no such attribute.
        """
        region = seller = fulfilled = allowed = None
        if rules.same:
            table = pd.DataFrame({name: read_column(market, name, "Rule same") for name in rules.same})
            region = table.groupby(list(rules.same), dropna=False, observed=True).ngroup().to_numpy(np.int64)
        if rules.where:
            fulfilled = np.logical_and.reduce([fulfilling(market, text) for text in rules.where])
        if rules.seller is not None:
            column = read_column(market, rules.seller, "Rule at_most")
            seller = pd.factorize(column, sort=True)[0].astype(np.int64)
        if allowing := rules.allowing:
            allowed = np.logical_and.reduce([allows(market, value) for allows, value in allowing])
        owned: dict[str, list[np.ndarray]] = {}
        for name in rules.owner:
            column = read_column(market, name, "Rule owner").dropna()
            for owner, rows in column.groupby(column.map(id_text), observed=True).indices.items():
                owned.setdefault(market.names.of(str(owner)), []).append(
                    column.index.to_numpy(np.int64)[rows]
                )
        return cls(
            region,
            seller,
            fulfilled,
            allowed,
            {name: np.unique(np.concatenate(parts)) for name, parts in owned.items()},
        )

    def own(self, users: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows (n,) of the listings that belong to `users` (B,), and the number (n,) of the user of each."""
        rows = [self.owned.get(user, np.zeros(0, np.int64)) for user in users]
        return np.concatenate([np.zeros(0, np.int64), *rows]), np.repeat(
            np.arange(len(users)), [len(part) for part in rows]
        )


def read_column(market: Market, name: str, rule: str) -> pd.Series:
    """Return the values (L,) of the attribute with this name or label, or of any other column of the listings table, such as the
    seller's id, which the model does not use.

    Args:
        rule: the subject of the error message, such as "Rule same".

    Raises:
        VibesError: there is no such column, or it holds several values per listing.
    """
    single = [attribute for attribute in market.attributes if type_of(attribute.kind).single_valued]
    if (attribute := _by_name(single, name)) is not None:
        return market.listings[attribute.name]
    reserved = {C.LISTING, C.PUBLISHED, C.EXPIRES, C.LATITUDE, C.LONGITUDE}
    reserved |= {attribute.name for attribute in market.attributes}
    others = [name for name in market.raw_columns("listings") if name not in reserved]
    raw = market.raw_table("listings") if name in others else None
    if raw is None:
        choices = ", ".join([*(item.name for item in single), *others])
        raise RequestError("not_a_column", rule=rule, name=name, choices=choices)
    by_id = pd.Series(as_ids(raw[name]).to_numpy(), index=as_ids(raw[C.LISTING]))
    by_id = by_id[~by_id.index.duplicated()]  # equal rows are one listing
    return by_id.reindex(market.listings[C.LISTING]).reset_index(drop=True)
