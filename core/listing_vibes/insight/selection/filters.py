"""Filters of a page on listings, kept in its address, and what they are as rules: a price band, values, the same as another
listing, near it, live on a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.insight.selection.params import escaped
from listing_vibes.kept_with import kept_with
from listing_vibes.market.amounts import price
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Attribute, Market
from listing_vibes.run.groups import Groups
from listing_vibes.run.rules import Rules
from listing_vibes.run.where import holding, read_condition

NAMES = ("price", "is", "same", "km", "on")  # the parameters in the address
VALUES = 60  # an attribute with more values is searched, not filtered
CHOICES = 6  # attributes offered
YEARS = range(1700, 2200)  # of moments that can be counted in nanoseconds


@dataclass(frozen=True)
class Filters:
    """What a listing must be; what is empty does not matter."""

    low: float | None = None
    high: float | None = None
    values: tuple[tuple[str, str], ...] = ()  # attribute, value
    same: tuple[str, ...] = ()  # attributes in which a listing is as the one compared
    km: float | None = None  # from the one compared
    on: dt.date | None = None

    @classmethod
    def read(
        cls, market: Market, params: Mapping[str, str], left_out: list[tuple[str, str]] | None = None
    ) -> Filters:
        """From an address; what it cannot mean is left out, and `left_out` is told of it, (name, value) each."""
        left: list[tuple[str, str]] = [] if left_out is None else left_out
        km = _number(params.get("km", "")) if has_place(market) else None
        day = None
        with suppress(ValueError):
            day = dt.date.fromisoformat(params.get("on", ""))
        if day is not None and (day.year not in YEARS or not has_dates(market)):
            day = None
        left += [
            (name, params[name])
            for name, one in (("km", km), ("on", day))
            if params.get(name) and one is None
        ]
        low, _, high = params.get("price", "").partition("-")
        band = [_number(end) if price(market) else None for end in (low, high)]
        if any(end and one is None for end, one in zip((low, high), band, strict=True)):
            left.append(("price", params["price"]))
        known = {item.name for item in choices(market)}
        values, same = [], []
        for part in params.get("is", "").split("|"):
            name, value = map(unquote, (part.partition(":")[0], part.partition(":")[2]))
            if name in known and _readable(market, holding(name, value)):
                values.append((name, value))
            elif part:
                left.append(("is", part))
        for part in params.get("same", "").split(","):
            if unquote(part) in known:
                same.append(unquote(part))
            elif part:
                left.append(("same", part))
        return cls(band[0], band[1], tuple(values), tuple(same), km, day)

    def params(self) -> dict[str, str | None]:
        """As the address keeps it."""
        band = f"{_bare(self.low)}-{_bare(self.high)}"
        return {
            "price": band if band != "-" else None,
            "is": "|".join(":".join(map(escaped, pair)) for pair in self.values) or None,
            "same": ",".join(map(escaped, self.same)) or None,
            "km": _bare(self.km) or None,
            "on": self.on.isoformat() if self.on else None,
        }

    def rules(self, market: Market, listing: int | None, rules: Rules) -> Rules:
        """`rules` with these filters as some of them; `listing` is the row of the one compared, None where there is none."""
        where, money = list(rules.where), price(market)
        for end, sign in ((self.low, ">="), (self.high, "<=")):
            if money is not None and end is not None:
                where.append(f"{money.name}{sign}{_bare(end).replace('.', money.decimal or '.')}")
        where += [holding(name, value) for name, value in self.values]
        if self.km is not None and listing is not None:
            place = [float(market.listings[name].iat[listing]) for name in (C.LATITUDE, C.LONGITUDE)]
            if np.isfinite(place).all():
                where.append(f"within {_bare(self.km)}km of {','.join(map(_bare, place))}")
        if self.on is not None:
            where.append(f"live on {self.on.isoformat()}")
        changed: dict[str, object] = {"where": tuple(where)}
        if listing is not None and self.same:
            changed["same"] = (*rules.same, *self.same)
        return rules.model_copy(update=changed)

    def mask(self, market: Market, listing: int | None = None) -> np.ndarray:
        """(L,) bool: the listings that pass."""
        groups = Groups.of(self.rules(market, listing, Rules()), market)
        passes = np.ones(len(market.listings), bool) if groups.fulfilling is None else groups.fulfilling
        if groups.region is not None and listing is not None:
            passes = passes & (groups.region == groups.region[listing])
        return passes


@kept_with(8)
def choices(market: Market) -> tuple[Attribute, ...]:
    """The attributes that can be filtered by value: few values, and more than one of them."""
    found = []
    for item in market.attributes:
        if item.shown_as not in ("category", "flag") or item.name == market.title:
            continue
        if 2 <= market.listings[item.name].nunique() <= VALUES:
            found.append(item)
    return tuple(sorted(found, key=lambda item: item.shown_as == "flag")[:CHOICES])


def values(market: Market, item: Attribute) -> tuple[str, ...]:
    """The different values of an attribute of `choices`, in order, as conditions write them."""
    known = market.listings[item.name].dropna().drop_duplicates().tolist()
    if item.shown_as == "flag":
        return tuple("Yes" if value else "No" for value in sorted(known, reverse=True))
    return tuple(sorted(str(value) for value in known))


def has_place(market: Market) -> bool:
    """Whether listings have coordinates."""
    return any(item.shown_as == "place" for item in market.attributes)


def has_dates(market: Market) -> bool:
    """Whether it is known when listings are live."""
    return bool({C.PUBLISHED, C.EXPIRES} & set(market.listings.columns))


def _readable(market: Market, condition: str) -> bool:
    try:
        read_condition(market, condition)
    except VibesError:
        return False
    return True


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) and value >= 0 else None


def _bare(value: float | None) -> str:
    """A number without an exponent, which may have a minus and is no part of a place."""
    return "" if value is None else np.format_float_positional(value, trim="-")
