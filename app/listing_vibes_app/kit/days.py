"""The day of the market that pages are looked at as of, and the event of a history, both kept in the URL."""

import streamlit as st

from listing_vibes.insight.days import MarketDays
from listing_vibes_app.server.params import in_vain, keep, quoted, whole
from listing_vibes_app.server.runs import BY_RUN, OpenRun

NAME = "day"  # in the URL


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def market_days(opened: OpenRun) -> MarketDays | None:
    """The days of a run's market; None where its events have no times."""
    return MarketDays.of(opened.run.log, opened.run.catalogue) if opened.view.has_events else None


def day_chosen(opened: OpenRun) -> int | None:
    """The number of the day that the URL names; None for none."""
    days, text = market_days(opened), st.query_params.get(NAME, "")
    found = days.number(text) if days is not None and text else None
    if text and found is None:
        known = (
            "events of this market have no days to go through"
            if days is None
            else f"this market has days from {days.date(0)} to {days.date(len(days) - 1)}"
        )
        in_vain(f"The link asks for {quoted(NAME, text)}, but {known}; it is left out.")
    return found


def as_of_event(total: int, help: str) -> int:
    """A slider over a history of `total` events, kept in the URL; how many of them are known, by default four fifths."""
    at = whole("at", max(1, total - max(1, total // 5)), 1, total)
    if total > 1:
        st.session_state["at"] = at
        st.slider("As of event", 1, total, key="at", on_change=keep, args=("at", "at"), help=help)
    return at
