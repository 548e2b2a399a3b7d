"""The filters: a button that opens them, and a line that says what they leave."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from listing_vibes.insight.selection.filters import (
    NAMES,
    Filters,
    choices,
    has_dates,
    has_place,
    values,
)
from listing_vibes.market.amounts import price
from listing_vibes_app.app_pages.similar.filters import days, shown, told
from listing_vibes_app.server.params import in_vain, quoted, set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import FIELD, count, plain
from listing_vibes_app.view.market import MarketView

RADII = {1.0: "1 km", 3.0: "3 km", 10.0: "10 km", 50.0: "50 km"}


def filters(opened: OpenRun) -> Filters:
    """The filters that the URL holds."""
    left: list[tuple[str, str]] = []
    found = _now(opened.view, left)
    for part in left:
        in_vain(f"The link's filter {quoted(*part)} is none of this market's; it is left out.")
    return found


def filters_button(opened: OpenRun, row: int | None = None) -> None:
    """The filters behind a button; with a `row` also those by the listing compared."""
    view, now = opened.view, filters(opened)
    offered = choices(view.market)
    if price(view.market) is None and not offered and not has_dates(view.market):
        return
    with st.popover("Filters", icon=":material/filter_list:", width=150):
        if price(view.market) is not None:
            _band(view, now)
        if row is None:
            _values(view, now)
        else:
            _sameness(view, now, row)
        if has_dates(view.market):
            _day(view, now)
        st.button("No filters", on_click=clear, disabled=now == Filters(), key="no-filters")


def filters_line(opened: OpenRun, left: np.ndarray, row: int | None = None) -> str:
    """`Among 214 of 1,100 listings: District: Northgate · live on 3 Mar 2025`; `left` (L,) bool are those that pass."""
    said = told(filters(opened), opened.view, row)
    if not said:
        return f"Among all {count(len(left), 'listing')}."
    return plain(f"Among {int(left.sum()):,} of {count(len(left), 'listing')}: {' · '.join(said)}.")


def clear() -> None:
    """Take every filter out of the URL."""
    set_params(page=None, **dict.fromkeys(NAMES))


def _now(view: MarketView, left_out: list[tuple[str, str]] | None = None) -> Filters:
    return Filters.read(view.market, st.query_params.to_dict(), left_out)


def _write(view: MarketView, **changed: Any) -> None:
    """Change some of the filters in the URL. What else it holds is read there now, where another field may just have written."""
    set_params(page=None, **replace(_now(view), **changed).params())


def _band(view: MarketView, now: Filters) -> None:
    money = price(view.market)
    assert money is not None
    unit = f" ({view.unit(money)})" if view.unit(money) else ""
    st.session_state["narrow-low"], st.session_state["narrow-high"] = now.low, now.high
    left, right = st.columns(2)
    for column, end, label in ((left, "low", f"{money.label} from{unit}"), (right, "high", "up to")):
        with column:
            st.number_input(
                plain(label),
                min_value=0.0,
                step=None,
                format=FIELD,
                key=f"narrow-{end}",
                placeholder="any",
                on_change=lambda end=end: _write(view, **{end: st.session_state[f"narrow-{end}"]}),
            )


def _values(view: MarketView, now: Filters) -> None:
    chosen = dict(now.values)
    for item in choices(view.market):
        known = values(view.market, item)
        key = f"narrow-is-{item.name}"
        st.session_state[key] = chosen.get(item.name) if chosen.get(item.name) in known else None

        def change(name: str = item.name, key: str = key) -> None:
            value = st.session_state[key]
            rest = [pair for pair in _now(view).values if pair[0] != name]
            _write(view, values=tuple([*rest, (name, value)] if value else rest))

        st.selectbox(
            plain(item.label),
            known,
            key=key,
            format_func=partial(shown, view, item.name),
            placeholder="any",
            on_change=change,
        )


def _sameness(view: MarketView, now: Filters, row: int) -> None:
    offered = {
        item.name: f"{item.label}: {view.text(row, item)}"
        for item in choices(view.market)
        if view.raw(row, item) is not None
    }
    if offered:
        st.session_state["narrow-same"] = [name for name in now.same if name in offered]
        st.pills(
            "The same as this listing",
            list(offered),
            key="narrow-same",
            format_func=lambda name: plain(offered[name]),
            selection_mode="multi",
            on_change=lambda: _write(view, same=tuple(st.session_state["narrow-same"])),
        )
    if has_place(view.market) and any(
        view.raw(row, item) for item in view.attributes if item.shown_as == "place"
    ):
        st.session_state["narrow-km"] = now.km if now.km in RADII else None
        st.segmented_control(
            "Within",
            list(RADII),
            key="narrow-km",
            format_func=RADII.__getitem__,
            on_change=lambda: _write(view, km=st.session_state["narrow-km"]),
        )


def _day(view: MarketView, now: Filters) -> None:
    first, last = days(view)
    st.session_state["narrow-on"] = now.on if now.on and first <= now.on <= last else None
    st.date_input(
        "Live on",
        min_value=first,
        max_value=last,
        key="narrow-on",
        format="YYYY-MM-DD",
        on_change=lambda: _write(view, on=st.session_state["narrow-on"]),
        help="Only listings that were published by that day and had not expired",
    )
