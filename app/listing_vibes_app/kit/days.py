"""The day as of which a page is shown, and the event of a history up to which it is known, both from the URL."""

import streamlit as st

from listing_vibes.insight.days import market_days
from listing_vibes_app.server.params import bind, link
from listing_vibes_app.server.runs import OpenRun

NAME = "day"  # in the URL


def read_day(opened: OpenRun) -> int | None:
    """Return the number of the day that the URL names; None for none."""
    days = market_days(opened.run)
    return link().read(NAME, lambda text: None if days is None else days.number(text))


def event_slider(total: int, help: str) -> int:
    """Draw a slider over a history of `total` events; return the number of known events, by default four fifths."""
    at = link().number("at", max(1, total - max(1, total // 5)), 1, total)
    if total > 1:
        st.slider("As of event", 1, total, help=help, **bind("at", at))
    return at
