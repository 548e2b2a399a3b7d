"""The history of a user as cards, and the event or day up to which it is known."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import streamlit as st

from listing_vibes.insight.days import market_days
from listing_vibes.insight.market_view import MarketView
from listing_vibes.market.log import DAY
from listing_vibes_app.kit.controls import NAME, event_slider, read_day
from listing_vibes_app.kit.gallery import Card, gallery, listing_card
from listing_vibes_app.server.params import hold, link, set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view import formats

BEFORE, AFTER = 50, 20  # events shown around the moment; a model uses at most 50 events
EVENT_HELP = "The recommendations know the history up to this event; later events are held out."
DAY_HELP = "The list on the morning of this day: from the events before it, of the listings active then."


@dataclass(frozen=True)
class Known:
    """The known part of a history: its first `events`."""

    events: int
    day: str = ""  # the day in words, if the moment is a day
    of_day: int = 0  # events of that day


def known_until(opened: OpenRun, user: int) -> Known:
    """Draw the choice of event or day and its slider; return the known part of the history."""
    days, day, log = market_days(opened.run), read_day(opened), opened.view.log
    start, end = int(log.start[user]), int(log.start[user + 1])
    if days is not None:

        def change(of: str) -> None:
            """Switch from an event to its day, or back to the event."""
            at = link().number("at", max(1, (end - start) * 4 // 5), 1, end - start)
            time = log.time[min(end - 1, start + at)]
            set_params(**{NAME: days.date(int((time - days.begin(0)) // DAY)) if of == "day" else None})

        st.segmented_control(
            "As of",
            ["event", "day"],
            required=True,
            format_func={"event": "An event", "day": "A day"}.__getitem__,
            label_visibility="collapsed",
            **hold("as-of", "event" if day is None else "day", change),
        )
    if days is None or day is None:
        return Known(event_slider(end - start, EVENT_HELP))
    first, last, here = (date.fromisoformat(days.date(item)) for item in (0, len(days) - 1, day))
    held = hold("at-day", here, lambda new: set_params(**{NAME: new.isoformat()}))
    st.slider("As of the morning of", first, last, format="D MMM YYYY", help=DAY_HELP, **held)
    low, high = (log.history_at(user, days.begin(number))[1] - start for number in (day, day + 1))
    return Known(low, formats.moment(days.begin(day)), high - low)


def show_history(opened: OpenRun, user: int) -> Known:
    """Show the history as a strip on which time runs to the right, and its slider; return the known part."""
    log = opened.view.log
    start, end = int(log.start[user]), int(log.start[user + 1])
    strip, total, span = st.container(), end - start, ""
    with st.container(horizontal=True, vertical_alignment="center", key="labelled-known"):
        line = st.container(width="content")
        available = known_until(opened, user)
    if log.timed:
        first, last = (formats.moment(int(log.time[row])) for row in (start, end - 1))
        span = f" on {first}" if first == last else f" from {first} to {last}"
    later = total - available.events
    known = f"the first {available.events:,}; {later:,} came later" if later else "all of them"
    first_row = max(start, start + available.events - BEFORE)
    last_row = min(end, start + available.events + AFTER)
    hidden = total - (last_row - first_row)
    cut = f" {hidden:,} before or after these are not shown." if hidden else ""
    line.markdown(f"**{formats.count(total, 'event')}**{span}. The list knows {known}.{cut}")
    with strip:
        cards = timeline(opened, start, range(first_row, last_row), available)
        label, least = "History, oldest first", 140 if opened.view.has_photos else 170
        gallery(opened, cards, key="history", label=label, layout="strip", least=least, examples=True)
    return available


def timeline(opened: OpenRun, start: int, events: range, known: Known) -> list[Card]:
    """Return a card for each event row of the log; held-out ones are dimmed, except those of the shown day."""
    log, at = opened.view.log, known.events
    today = at + known.of_day
    clock = log.timed and bool(np.any(log.time[events.start : events.stop] % DAY))
    dividers = {at - 1: "Now", today: "Later"} | ({at: "That day"} if known.of_day else {})
    cards = []
    for event in events:
        place = event - start
        action = formats.words(log.actions[log.action[event]]) if log.action[event] >= 0 else ""
        spent = formats.duration(float(log.duration[event])) if np.isfinite(log.duration[event]) else ""
        more: dict[str, Any] = {
            "step": formats.moment(int(log.time[event]), clock) if log.timed else f"Event {place + 1:,}",
            "divider": dividers.get(place, ""),
            "tone": "" if place < at else "hit" if place < today else "later",
            "score": ", ".join(filter(None, [action, spent])),
            "facts": [],
            "photos": [],
        }
        card = listing_card(opened, int(log.listing[event]), **more)
        cards.append(replace(card, title="") if card.photo else card)
    return cards


def later_listings(view: MarketView, user: int, at: int, events: int | None = None) -> set[int]:
    """Return rows of the new listings that a user interacted with in the next `events` events after the first `at`.

    None: in all later events. Rejections do not count.
    """
    log = view.log
    available = int(log.start[user]) + at
    later = slice(available, int(log.start[user + 1]) if events is None else available + events)
    return set(log.listing[later][log.is_positive[later]].tolist()) - set(
        log.listing[available - at : available].tolist()
    )
