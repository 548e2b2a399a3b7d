"""The filters of listings: a button with their fields, and a line with what passes."""

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.cache import cached_per_object
from listing_vibes.insight.market_view import MarketView
from listing_vibes.insight.selection.url_parameters import (
    FILTER_PARAMETERS,
    Filters,
    choices,
    has_dates,
    has_place,
    values,
)
from listing_vibes.market.amounts import price
from listing_vibes.market.attribute_types import Attribute
from listing_vibes_app.server.params import hold, link, set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view import formats
from listing_vibes_app.view.formats import FIELD, count, plain

RADII = {1.0: "1 km", 3.0: "3 km", 10.0: "10 km", 50.0: "50 km"}


def read_filters(view: MarketView) -> Filters:
    """Return the filters of the URL."""
    return Filters.read(view.market, link())


def filters_button(opened: OpenRun, row: int | None = None) -> None:
    """Draw a button that opens the filters; with a `row`, also those relative to that listing."""
    view, now = opened.view, read_filters(opened.view)
    money, dates = price(view.market), has_dates(view.market)
    if money is None and not choices(view.market) and not dates:
        return

    def held(field: str, value: Any, **options: Any) -> dict[str, Any]:
        def change(new: Any) -> None:
            # Read the other filters again, because another field may have changed one.
            filters = read_filters(view)
            set_params(page=None, **replace(filters, **{field: new}).params())

        return hold(f"narrow-{field}", value, change) | options

    with st.popover("Filters", icon=":material/filter_list:", width=130):
        if money is not None:
            unit = f" ({view.unit(money)})" if view.unit(money) else ""
            left, right = st.columns(2)
            form: dict[str, Any] = {"min_value": 0.0, "step": None, "format": FIELD, "placeholder": "any"}
            left.number_input(plain(f"{money.label} from{unit}"), **form, **held("low", now.low))
            right.number_input("up to", **form, **held("high", now.high))
        if row is None:
            _value_fields(view, now)
        else:
            _same_fields(view, now, row, held)
        if dates:
            first, last = days(view)
            on = now.on if now.on and first <= now.on <= last else None
            help = "Only listings that were published by that day and had not expired"
            held_on = held("on", on)
            st.date_input(
                "Active on", min_value=first, max_value=last, format="YYYY-MM-DD", help=help, **held_on
            )
        st.button("No filters", on_click=clear_filters, disabled=now == Filters(), key="no-filters")


def _value_fields(view: MarketView, now: Filters) -> None:
    chosen = dict(now.values)
    for item in choices(view.market):
        available, name = values(view.market, item), item.name

        def change(value: str | None, name: str = name) -> None:
            filters = read_filters(view)
            rest = [pair for pair in filters.values if pair[0] != name]
            changed = replace(filters, values=tuple([*rest, (name, value)] if value else rest))
            set_params(page=None, **changed.params())

        def write(value: str, item: Attribute = item) -> str:
            return write_value(view, item, value)

        value = chosen.get(name) if chosen.get(name) in available else None
        held = hold(f"narrow-is-{name}", value, change)
        st.selectbox(plain(item.label), available, index=None, format_func=write, placeholder="any", **held)


def _same_fields(view: MarketView, now: Filters, row: int, held: Any) -> None:
    offered = {
        item.name: plain(f"{item.label}: {view.text(row, item)}")
        for item in choices(view.market)
        if view.raw(row, item) is not None
    }
    if offered:
        same = [name for name in now.same if name in offered]
        options = held("same", same, format_func=offered.__getitem__, selection_mode="multi")
        st.pills("The same as this listing", list(offered), **options)
    places = [item for item in view.attributes if item.shown_as == "place"]
    if has_place(view.market) and any(view.raw(row, item) for item in places):
        km = now.km if now.km in RADII else None
        st.segmented_control("Within", list(RADII), format_func=RADII.__getitem__, **held("km", km))


def filters_line(opened: OpenRun, passing: np.ndarray, row: int | None = None) -> str:
    """Return `214 of 1,100 listings: District: Northgate · active on 3 Mar 2025`, empty without a filter.

    Args:
        passing: (L,) bool, the listings that pass.
        row: of the query listing.
    """
    words = describe_filters(read_filters(opened.view), opened.view, row)
    line = f"{int(passing.sum()):,} of {count(len(passing), 'listing')}: {' · '.join(words)}."
    return plain(line) if words else ""


def clear_filters() -> None:
    """Remove every filter from the URL."""
    set_params(page=None, **dict.fromkeys(FILTER_PARAMETERS))


def describe_filters(filters: Filters, view: MarketView, row: int | None = None) -> list[str]:
    """Return each filter in words; `row` is that of the query listing."""
    by_name, lines = {item.name: item for item in choices(view.market)}, []
    money = price(view.market)
    ends = [
        None if money is None or end is None else formats.number(end, view.unit(money))
        for end in (filters.low, filters.high)
    ]
    if money is not None and ends != [None, None]:
        low, high = ends
        band = f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}"
        lines.append(f"{money.label} {band}")
    lines += [
        f"{by_name[name].label}: {write_value(view, by_name[name], value)}" for name, value in filters.values
    ]
    if row is not None:
        lines += [f"{by_name[name].label}: {view.text(row, by_name[name])}" for name in filters.same]
    if filters.km is not None and row is not None:
        lines.append(f"within {formats.distance(filters.km)}")
    if filters.on is not None:
        lines.append(f"active on {filters.on.day} {filters.on:%b %Y}")
    return lines


def write_value(view: MarketView, item: Attribute, value: str) -> str:
    """Format a value of a filter for display."""
    return value if item.shown_as == "flag" else view.word(item, value)


@cached_per_object
def days(view: MarketView) -> tuple[dt.date, dt.date]:
    """Return the first and the last day on which any listing is published or expires."""
    bounds = np.concatenate(view.market.live_interval())
    never = np.iinfo(np.int64)
    values = bounds[(bounds != never.min) & (bounds != never.max)]
    if not len(values):
        return dt.date(2000, 1, 1), dt.date.today()
    return pd.Timestamp(int(values.min())).date(), pd.Timestamp(int(values.max())).date()
