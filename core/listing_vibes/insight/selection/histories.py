"""Histories made by hand: as a parameter of a URL, and as the JSON that `vibes recommend --history` reads."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote

from listing_vibes.market.columns import Columns as C
from listing_vibes.run.histories import Event
from listing_vibes.run.run import Run

MOST = 50  # events; a model reads no more of a history
EVENT, PART = ",", "*"  # between events, and between the parts of one; both are escaped within a part


def token(event: Event) -> str:
    """Return an event as a part of a URL; an unknown action or duration is empty."""
    seconds = "" if event.duration_s is None else f"{event.duration_s:g}"
    parts = (quote(event.listing, safe=""), quote(event.action or "", safe=""), seconds)
    return PART.join(parts).rstrip(PART)


def parse(text: str) -> Event:
    """Return the event of a part of a URL; a duration that is not a number of seconds is left out."""
    listing, action, seconds, *_ = *text.split(PART), "", ""
    try:
        value = float(seconds)
    except ValueError:
        value = -1.0
    return Event(unquote(listing), unquote(action) or None, value if 0 <= value < 1e9 else None)


def as_text(events: Iterable[Event]) -> str:
    """Return events as text for a URL, at most the newest `MOST`."""
    return EVENT.join([token(event) for event in events][-MOST:])


def known_events(run: Run, text: str) -> list[tuple[int, Event]]:
    """Return (position, event) of a URL's events on listings that run and market have; an unknown action is left out."""
    actions = set(run.market.valid_actions)
    return [
        (position, event if event.action in actions else event._replace(action=None))
        for position, event in enumerate(map(parse, text.split(EVENT)[:MOST] if text else []))
        if event.listing in run.listing_row
    ]


def as_rows(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return events as mappings without unknown parts, oldest first."""
    names = (C.LISTING, C.ACTION, C.DURATION)
    return [
        {name: cell for name, cell in zip(names, event, strict=True) if cell not in (None, "")}
        for event in events
    ]


def document(events: Sequence[Event]) -> str:
    """Return a history as the JSON that `vibes recommend --history FILE` reads."""
    return json.dumps({"history": as_rows(events)}, ensure_ascii=False, indent=1)
