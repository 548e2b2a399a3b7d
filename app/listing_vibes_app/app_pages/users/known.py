"""Up to where a history is known: an event of it, or the morning of a day of the market, kept in the URL."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from listing_vibes.insight.days import MarketDays
from listing_vibes_app.kit.days import NAME, as_of_event, day_chosen, market_days
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view import formats
from listing_vibes_app.view.history import moment_of

HELP = {
    "event": "The recommendations know the history up to this event; later events are kept from them.",
    "day": "The list is made as it would have been on the morning of this day: of what was live, from events before it.",
}


@dataclass(frozen=True)
class Known:
    """The first `events` of a history are known, and the list is made at `moment` (None: after the last event)."""

    events: int
    moment: Any
    day: str = ""  # in words, where it is a day
    date: str = ""  # and as the URL has it
    of_day: int = 0  # events of that day
    last: str = ""  # the last day of the market, as the URL has it

    def to_last(self) -> None:
        """Go to the last day."""
        set_params(**{NAME: self.last})


def known_until(opened: OpenRun, user: int) -> Known:
    """The choice of event or day, and the slider over them."""
    view, days, day = opened.view, market_days(opened), day_chosen(opened)
    log = view.log
    total = int(log.start[user + 1] - log.start[user])
    if days is not None:
        st.session_state["as-of"] = "event" if day is None else "day"
        st.segmented_control(
            "As of",
            ["event", "day"],
            key="as-of",
            required=True,
            format_func={"event": "An event", "day": "A day"}.__getitem__,
            on_change=_switched,
            args=(opened, user),
            label_visibility="collapsed",
        )
    if days is None or day is None:
        at = as_of_event(total, HELP["event"])
        return Known(at, moment_of(view, user, at))
    _slider(days, day)
    low, high = (
        log.history_at(user, days.begin(number))[1] - int(log.start[user]) for number in (day, day + 1)
    )
    said = formats.moment(days.begin(day))
    return Known(low, days.begin(day), said, days.date(day), high - low, days.date(len(days) - 1))


def _slider(days: MarketDays, day: int) -> None:
    first, last, here = (date.fromisoformat(days.date(one)) for one in (0, len(days) - 1, day))
    st.session_state["at-day"] = here
    st.slider(
        "As of the morning of",
        first,
        last,
        key="at-day",
        format="D MMM YYYY",
        on_change=_went,
        help=HELP["day"],
    )


def _went() -> None:
    set_params(**{NAME: st.session_state["at-day"].isoformat()})


def _switched(opened: OpenRun, user: int) -> None:
    """From an event to its day, and back to the event."""
    days, log = market_days(opened), opened.view.log
    if days is None or st.session_state["as-of"] == "event":
        set_params(**{NAME: None})
        return
    start, end = int(log.start[user]), int(log.start[user + 1])
    at = st.query_params.get("at", "")
    event = min(
        end - 1, start + (int(at) if at.isdecimal() and len(at) < 10 else max(1, (end - start) * 4 // 5))
    )
    set_params(**{NAME: days.date(int((log.time[event] - days.begin(0)) // (days.begin(1) - days.begin(0))))})
