"""Filters of a page on listings, as parameters of its URL and as rules: a price band, values, the same as another listing,
near it, active on a day.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote

import numpy as np

from listing_vibes.cache import cached_per_object
from listing_vibes.errors import VibesError
from listing_vibes.insight.selection.params import Params, escaped
from listing_vibes.market.amounts import price
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.conditions import Groups, fulfilling, holding
from listing_vibes.run.rules import Rules

NAMES = ("price", "is", "same", "km", "on")  # the parameters
VALUES = 60  # an attribute with more values is searched, not filtered
CHOICES = 6  # attributes offered
YEARS = range(1700, 2200)  # of moments that can be counted in nanoseconds


@dataclass(frozen=True)
class Filters:
    """Filters of listings; an empty one passes all."""

    low: float | None = None
    high: float | None = None
    values: tuple[tuple[str, str], ...] = ()  # attribute, value
    same: tuple[str, ...] = ()  # attributes that must equal those of the reference listing
    km: float | None = None  # maximum distance from the reference listing
    on: dt.date | None = None

    @classmethod
    def read(cls, market: Market, params: Params) -> Filters:
        """Read the filters of a URL; those that are invalid are added to `Params.unused`."""
        km = params.read("km", lambda text: _read_number(text) if has_place(market) else None)
        on = params.read("on", lambda text: _read_day(text) if has_dates(market) else None)
        ends = params.get("price", "").partition("-")[::2]
        low, high = (_read_number(end) if price(market) else None for end in ends)
        if any(text and value is None for text, value in zip(ends, (low, high), strict=True)):
            params.unused.append(("price", params["price"]))
        existing, values = {item.name for item in choices(market)}, []
        for part in filter(None, params.get("is", "").split("|")):
            name, value = map(unquote, part.partition(":")[::2])
            if name in existing and _is_condition(market, holding(name, value)):
                values.append((name, value))
            else:
                params.unused.append(("is", part))
        return cls(low, high, tuple(values), params.names("same", existing), km, on)

    def params(self) -> dict[str, str | None]:
        """Return the filters as parameters of a URL."""
        band = f"{_write_number(self.low)}-{_write_number(self.high)}"
        return {
            "price": band if band != "-" else None,
            "is": "|".join(":".join(map(escaped, pair)) for pair in self.values) or None,
            "same": ",".join(map(escaped, self.same)) or None,
            "km": _write_number(self.km) or None,
            "on": self.on.isoformat() if self.on else None,
        }

    def rules(self, market: Market, listing: int | None, rules: Rules) -> Rules:
        """Return `rules` with these filters; `listing` is the row of the reference listing, None without one."""
        where, money = list(rules.where), price(market)
        for end, sign in ((self.low, ">="), (self.high, "<=")):
            if money is not None and end is not None:
                where.append(f"{money.name}{sign}{_write_number(end).replace('.', money.decimal or '.')}")
        where += [holding(name, value) for name, value in self.values]
        if self.km is not None and listing is not None:
            location = [float(market.listings[name].iat[listing]) for name in (C.LATITUDE, C.LONGITUDE)]
            if np.isfinite(location).all():
                where.append(f"within {_write_number(self.km)}km of {','.join(map(_write_number, location))}")
        if self.on is not None:
            where.append(f"live on {self.on.isoformat()}")
        same = rules.same if listing is None else (*rules.same, *self.same)
        return rules.model_copy(update={"where": tuple(where), "same": same})

    def mask(self, market: Market, listing: int | None = None) -> np.ndarray:
        """Return which listings pass, (L,) bool."""
        groups = Groups.of(self.rules(market, listing, Rules()), market)
        passes = np.ones(len(market.listings), bool) if groups.fulfilling is None else groups.fulfilling
        if groups.region is not None and listing is not None:
            passes = passes & (groups.region == groups.region[listing])
        return passes


@cached_per_object
def choices(market: Market) -> tuple[Attribute, ...]:
    """Return the attributes that can be filtered by value: few values, and more than one of them."""
    results = [
        item
        for item in market.attributes
        if item.shown_as in ("category", "flag")
        and item.name != market.title
        and 2 <= market.listings[item.name].nunique() <= VALUES
    ]
    return tuple(sorted(results, key=lambda item: item.shown_as == "flag")[:CHOICES])


def values(market: Market, item: Attribute) -> tuple[str, ...]:
    """Return the distinct values of an attribute of `choices`, in order, as conditions write them."""
    available = market.listings[item.name].dropna().drop_duplicates().tolist()
    if item.shown_as == "flag":
        return tuple("Yes" if value else "No" for value in sorted(available, reverse=True))
    return tuple(sorted(map(str, available)))


def has_place(market: Market) -> bool:
    """Return whether listings have coordinates."""
    return any(item.shown_as == "place" for item in market.attributes)


def has_dates(market: Market) -> bool:
    """Return whether the market has dates of when listings are active."""
    return bool({C.PUBLISHED, C.EXPIRES} & set(market.listings.columns))


def _is_condition(market: Market, condition: str) -> bool:
    try:
        fulfilling(market, condition)
    except VibesError:
        return False
    return True


def _read_day(text: str) -> dt.date | None:
    with suppress(ValueError):
        day = dt.date.fromisoformat(text)
        return day if day.year in YEARS else None
    return None


def _read_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) and value >= 0 else None


def _write_number(value: float | None) -> str:
    """Return a number without an exponent."""
    return "" if value is None else np.format_float_positional(value, trim="-")
