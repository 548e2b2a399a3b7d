"""The filters of an address in words, and the days that can be chosen."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from listing_vibes.insight.selection.filters import Filters, choices
from listing_vibes.kept_with import kept_with
from listing_vibes.market.amounts import price
from listing_vibes_app.view import formats
from listing_vibes_app.view.market import MarketView


def told(filters: Filters, view: MarketView, row: int | None = None) -> list[str]:
    """Each condition in words; `row` is the listing compared."""
    by_name, lines = {item.name: item for item in choices(view.market)}, []
    money = price(view.market)
    if money is not None and (filters.low is not None or filters.high is not None):
        ends = [
            formats.number(end, view.unit(money)) for end in (filters.low, filters.high) if end is not None
        ]
        if filters.low is not None and filters.high is not None:
            lines.append(f"{money.label} {ends[0]} to {ends[1]}")
        else:
            lines.append(f"{money.label} {'from' if filters.low is not None else 'up to'} {ends[0]}")
    lines += [f"{by_name[name].label}: {shown(view, name, value)}" for name, value in filters.values]
    if row is not None:
        lines += [f"{by_name[name].label}: {view.text(row, by_name[name])}" for name in filters.same]
    if filters.km is not None and row is not None:
        lines.append(f"within {formats.distance(filters.km)}")
    if filters.on is not None:
        lines.append(f"live on {filters.on.day} {filters.on:%b %Y}")
    return lines


def shown(view: MarketView, name: str, value: str) -> str:
    """A value of `choices` as people read it."""
    item = next(item for item in choices(view.market) if item.name == name)
    return value if item.shown_as == "flag" else view.word(item, value)


@kept_with(8)
def days(view: MarketView) -> tuple[dt.date, dt.date]:
    """The first and the last day on which a listing is known to begin or end."""
    bounds = np.concatenate(view.market.live_interval())
    never = np.iinfo(np.int64)
    known = bounds[(bounds != never.min) & (bounds != never.max)]
    if not len(known):
        return dt.date(2000, 1, 1), dt.date.today()
    return pd.Timestamp(int(known.min())).date(), pd.Timestamp(int(known.max())).date()
