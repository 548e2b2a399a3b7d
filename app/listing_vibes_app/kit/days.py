"""The day as of which a page is shown, and the event of a history up to which it is known, both from the URL."""

import streamlit as st

from listing_vibes.insight.days import MarketDays
from listing_vibes_app.server.params import bind, quoted, read_number, report_unused
from listing_vibes_app.server.runs import BY_RUN, OpenRun

NAME = "day"  # in the URL


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def market_days(opened: OpenRun) -> MarketDays | None:
    """Return the days of a run's market; None if its events have no times."""
    return MarketDays.of(opened.run.log, opened.run.catalogue) if opened.view.has_events else None


def read_day(opened: OpenRun) -> int | None:
    """Return the number of the day that the URL names; None for none."""
    days, text = market_days(opened), st.query_params.get(NAME, "")
    number = days.number(text) if days is not None and text else None
    if text and number is None:
        available = "the events of this market have no days"
        if days is not None:
            available = f"this market has days from {days.date(0)} to {days.date(len(days) - 1)}"
        report_unused(f"The link has {quoted(NAME, text)}, but {available}; it is left out.")
    return number


def event_slider(total: int, help: str) -> int:
    """Draw a slider over a history of `total` events; return the number of known events, by default four fifths."""
    at = read_number("at", max(1, total - max(1, total // 5)), 1, total)
    if total > 1:
        st.slider("As of event", 1, total, help=help, **bind("at", at))
    return at
