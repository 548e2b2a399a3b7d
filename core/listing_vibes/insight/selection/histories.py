"""Histories made by hand: as a text in an address, as the document that `vibes recommend --history` reads, as events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote

from listing_vibes.market.columns import Columns as C
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.histories import Event

MOST = 50  # events; a model reads no more of a history
EVENT, PART = ",", "*"  # between events, and between the parts of one; both are escaped within a part


def token(event: Event) -> str:
    """An event as a part of an address; what is not told is empty."""
    seconds = "" if event.duration_s is None else f"{event.duration_s:g}"
    parts = (quote(event.listing, safe=""), quote(event.action or "", safe=""), seconds)
    return PART.join(parts).rstrip(PART)


def parse(text: str) -> Event:
    """The event of a part of an address; a duration that is no number of seconds is left out."""
    listing, action, seconds, *_ = *text.split(PART), "", ""
    try:
        value = float(seconds)
    except ValueError:
        value = -1.0
    return Event(unquote(listing), unquote(action) or None, value if 0 <= value < 1e9 else None)


def as_text(events: Iterable[Event]) -> str:
    """Events as text for an address, at most the newest `MOST`."""
    return EVENT.join([token(event) for event in events][-MOST:])


def known_events(run: RunFolder, text: str) -> list[tuple[int, Event]]:
    """(place, event) of an address's events on listings that run and market have; an unknown action is left out."""
    tokens = text.split(EVENT)[:MOST] if text else []
    known, actions = [], set(run.market.known_actions)
    for place, event in enumerate(map(parse, tokens)):
        if event.listing in run.market.listing_row and event.listing in run.listing_row:
            known.append((place, event if event.action in actions else event._replace(action=None)))
    return known


def as_rows(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Events as mappings without what they do not tell, oldest first."""
    names = (C.LISTING, C.ACTION, C.DURATION)
    return [
        {name: cell for name, cell in zip(names, event, strict=True) if cell not in (None, "")}
        for event in events
    ]


def document(events: Sequence[Event]) -> str:
    """A history as the JSON that `vibes recommend --history FILE` reads."""
    return json.dumps({"history": as_rows(events)}, ensure_ascii=False, indent=1)
