"""Filters on listings: a price band, values, the same as another listing, near it, live on a day; kept in the URL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from app.view import formats
from app.view.market import MarketView
from core.market.columns import Columns as C
from core.market.market import Attribute

NAMES = ("price", "is", "same", "km", "on")  # the parameters in the URL
VALUES = 60  # an attribute with more values is searched, not filtered
CHOICES = 6  # attributes offered
YEARS = range(1700, 2200)  # of moments that can be counted in nanoseconds


@dataclass(frozen=True)
class Filters:
    """What a listing must be; what is empty does not matter."""

    low: float | None = None
    high: float | None = None
    values: tuple[tuple[str, str], ...] = ()  # attribute, value as the screen shows it
    same: tuple[str, ...] = ()  # attributes in which a listing is as the one compared
    km: float | None = None  # from the one compared
    on: dt.date | None = None

    @classmethod
    def read(cls, view: MarketView, params: Mapping[str, str]) -> Filters:
        """From the URL; what it cannot mean is left out."""
        low, _, high = params.get("price", "").partition("-")
        known = {item.name for item in choices(view)}
        pairs = [part.partition(":") for part in params.get("is", "").split("|")]
        try:
            day = dt.date.fromisoformat(params.get("on", ""))
        except ValueError:
            day = None
        if day is not None and day.year not in YEARS:
            day = None
        return cls(
            _number(low) if price(view) else None,
            _number(high) if price(view) else None,
            tuple((name, value) for name, _, value in pairs if name in known and value),
            tuple(name for name in params.get("same", "").split(",") if name in known),
            _number(params.get("km", "")) if has_place(view) else None,
            day if has_dates(view) else None,
        )

    def params(self) -> dict[str, str | None]:
        """As the URL keeps it."""
        band = f"{_bare(self.low)}-{_bare(self.high)}"
        return {
            "price": band if band != "-" else None,
            "is": "|".join(f"{name}:{value}" for name, value in self.values) or None,
            "same": ",".join(self.same) or None,
            "km": _bare(self.km) or None,
            "on": self.on.isoformat() if self.on else None,
        }

    def mask(self, view: MarketView, row: int | None = None) -> np.ndarray:
        """(L,) bool: the listings that pass; `row` is the listing compared."""
        passes = np.ones(len(view), bool)
        money = price(view)
        if money is not None and (self.low is not None or self.high is not None):
            values = view.market.listings[money.name].to_numpy(float, na_value=np.nan)
            passes &= (values >= (-np.inf if self.low is None else self.low)) & (
                values <= (np.inf if self.high is None else self.high)
            )
        by_name = {item.name: item for item in choices(view)}
        wanted = dict(self.values)
        if row is not None:
            wanted |= {name: view.text(row, by_name[name]) for name in self.same}
        for name, value in wanted.items():
            passes &= shown(view, by_name[name]) == value
        if self.km is not None and row is not None:
            passes &= _far(view, row) <= self.km
        if self.on is not None:
            since, until = view.market.live_interval()
            day = pd.Timestamp(self.on, tz="UTC")
            passes &= (since < (day + pd.Timedelta(days=1)).as_unit("ns").value) & (
                until > day.as_unit("ns").value
            )
        return passes

    def told(self, view: MarketView, row: int | None = None) -> list[str]:
        """Each condition in words."""
        by_name, lines = {item.name: item for item in choices(view)}, []
        money = price(view)
        if money is not None and (self.low is not None or self.high is not None):
            ends = [formats.number(end, view.unit(money)) for end in (self.low, self.high) if end is not None]
            if self.low is not None and self.high is not None:
                lines.append(f"{money.label} {ends[0]} to {ends[1]}")
            else:
                lines.append(f"{money.label} {'from' if self.low is not None else 'up to'} {ends[0]}")
        lines += [f"{by_name[name].label}: {value}" for name, value in self.values]
        if row is not None:
            lines += [f"{by_name[name].label}: {view.text(row, by_name[name])}" for name in self.same]
        if self.km is not None and row is not None:
            lines.append(f"within {formats.distance(self.km)}")
        if self.on is not None:
            lines.append(f"live on {self.on.day} {self.on:%b %Y}")
        return lines


def price(view: MarketView) -> Attribute | None:
    """The attribute that is a price, None where there is none."""
    return next((item for item in view.attributes if formats.is_money(view.unit(item))), None)


@lru_cache(maxsize=8)
def choices(view: MarketView) -> tuple[Attribute, ...]:
    """The attributes that can be filtered by value: few values, and more than one of them."""
    found = []
    for item in view.attributes:
        if item.shown_as not in ("category", "flag"):
            continue
        if 2 <= view.market.listings[item.name].nunique() <= VALUES:
            found.append(item)
    return tuple(sorted(found, key=lambda item: item.shown_as == "flag")[:CHOICES])


@lru_cache(maxsize=16)
def shown(view: MarketView, item: Attribute) -> np.ndarray:
    """(L,) str: the values of an attribute as the screen shows them."""
    return np.array([view.text(row, item) for row in range(len(view))], dtype=object)


@lru_cache(maxsize=16)
def values(view: MarketView, item: Attribute) -> tuple[str, ...]:
    """The different values of an attribute as the screen shows them, in order."""
    first = view.market.listings[item.name].dropna().drop_duplicates().index  # a row of each value
    return tuple(sorted({view.text(int(row), item) for row in first}))


def has_place(view: MarketView) -> bool:
    """Whether listings have coordinates."""
    return any(item.shown_as == "place" for item in view.attributes)


def has_dates(view: MarketView) -> bool:
    """Whether it is known when listings are live."""
    columns = view.market.listings.columns
    return C.PUBLISHED in columns or C.EXPIRES in columns


@lru_cache(maxsize=8)
def days(view: MarketView) -> tuple[dt.date, dt.date]:
    """The first and the last day on which a listing is known to begin or end."""
    bounds = np.concatenate(view.market.live_interval())
    never = np.iinfo(np.int64)
    known = bounds[(bounds != never.min) & (bounds != never.max)]
    if not len(known):
        return dt.date(2000, 1, 1), dt.date.today()
    return pd.Timestamp(int(known.min())).date(), pd.Timestamp(int(known.max())).date()


def _far(view: MarketView, row: int) -> np.ndarray:
    """(L,) kilometres from a listing, NaN where a place is unknown (great circle)."""
    table = view.market.listings
    lat, lon = np.radians(table[C.LATITUDE].to_numpy(float)), np.radians(table[C.LONGITUDE].to_numpy(float))
    half = (
        np.sin((lat - lat[row]) / 2) ** 2 + np.cos(lat[row]) * np.cos(lat) * np.sin((lon - lon[row]) / 2) ** 2
    )
    far: np.ndarray = 2 * 6371.0 * np.arcsin(np.sqrt(np.minimum(half, 1)))
    return far


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) and value >= 0 else None


def _bare(value: float | None) -> str:
    return (
        "" if value is None else np.format_float_positional(value, trim="-")
    )  # an exponent may have a minus
