"""Simulated histories: as text in the address, as the frame that the recommender takes, and as a document to keep."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote

import pandas as pd

from app.server.runs import OpenRun
from core.market.columns import Columns as C

MOST = 50  # events; a model reads no more of a history
EVENT, PART = ",", "*"  # between events, and between the parts of one; both are escaped within a part


@dataclass(frozen=True)
class Event:
    """One event of a simulated history; what is not told is empty."""

    listing: str
    action: str = ""
    seconds: float | None = None

    @property
    def token(self) -> str:
        """The event as a part of the address."""
        seconds = "" if self.seconds is None else f"{self.seconds:g}"
        parts = (quote(self.listing, safe=""), quote(self.action, safe=""), seconds)
        return PART.join(parts).rstrip(PART)


@dataclass(frozen=True)
class Simulated:
    """A history as the address gives it, and what of it this run knows."""

    text: str
    events: list[tuple[int, Event]]  # place among the address's events, and the event
    unknown: int  # events on listings that the run or its market does not have

    def __len__(self) -> int:
        return len(self.events)

    @property
    def known(self) -> str:
        """The known events as text."""
        return as_text(event for _, event in self.events)


def as_text(events: Iterable[Event]) -> str:
    """Events as text for the address, at most the newest `MOST`."""
    return EVENT.join([event.token for event in events][-MOST:])


def parse(token: str) -> Event:
    """The event of a part of the address; a duration that is no number of seconds is left out."""
    listing, action, seconds, *_ = *token.split(PART), "", ""
    try:
        value = float(seconds)
    except ValueError:
        value = -1.0
    return Event(unquote(listing), unquote(action), value if 0 <= value < 1e9 else None)


def read(opened: OpenRun, text: str) -> Simulated:
    """The history of an address; an action that the market does not know is left out."""
    tokens = text.split(EVENT)[:MOST] if text else []
    known, actions = [], set(opened.view.market.actions)
    for place, event in enumerate(map(parse, tokens)):
        if event.listing in opened.view.market.listing_row and event.listing in opened.run.listing_row:
            action = event.action if event.action in actions else ""
            known.append((place, Event(event.listing, action, event.seconds)))
    return Simulated(text, known, len(tokens) - len(known))


def frame(text: str) -> pd.DataFrame:
    """A history as `Run.recommend` takes it, oldest first."""
    events = [parse(token) for token in text.split(EVENT)] if text else []
    table = pd.DataFrame({C.LISTING: [event.listing for event in events]}, dtype="str")
    if any(event.action for event in events):
        table[C.ACTION] = [event.action or None for event in events]
    if any(event.seconds is not None for event in events):
        table[C.DURATION] = [event.seconds for event in events]
        table[C.DURATION] = table[C.DURATION].astype(float)
    return table


def from_frame(table: pd.DataFrame) -> str:
    """The newest events of a history frame as text; the inverse of `frame`."""
    blank = [None] * len(table)
    actions = table.get(C.ACTION, blank)
    seconds = table.get(C.DURATION, blank)
    return as_text(
        Event(
            str(listing),
            "" if pd.isna(action) else str(action),
            None if pd.isna(value) else float(value),
        )
        for listing, action, value in zip(table[C.LISTING], actions, seconds, strict=True)
    )


def document(text: str) -> str:
    """A history as the JSON that `vibes recommend --history FILE` reads."""
    events = []
    for event in map(parse, text.split(EVENT) if text else []):
        one: dict[str, str | float] = {C.LISTING: event.listing}
        if event.action:
            one[C.ACTION] = event.action
        if event.seconds is not None:
            one[C.DURATION] = event.seconds
        events.append(one)
    return json.dumps({"history": events}, ensure_ascii=False, indent=1)


@dataclass(frozen=True)
class Moves:
    """How recommendations changed: a word for each one shown, and what is shown no longer, with where it went."""

    marks: list[str]  # "new", "up 3", "down 2", or "" where nothing moved
    out: list[tuple[str, str]]

    @property
    def came(self) -> int:
        """How many moved in."""
        return self.marks.count("new")


def moves(before: list[str], now: list[str], k: int, history: Iterable[str] = ()) -> Moves:
    """What changed among the first `k` of two rankings; a ranking that was empty before moves nothing."""
    if not before:
        return Moves([""] * len(now[:k]), [])
    was = {listing: place for place, listing in enumerate(before[:k])}
    marks = []
    for place, listing in enumerate(now[:k]):
        step = was[listing] - place if listing in was else None
        marks.append(
            "new" if step is None else f"up {step}" if step > 0 else f"down {-step}" if step < 0 else ""
        )
    place_now, held = {listing: place for place, listing in enumerate(now)}, set(history)
    out = []
    for listing in before[:k]:
        if place_now.get(listing, k) >= k:
            where = (
                "in the history now"
                if listing in held
                else f"now no. {place_now[listing] + 1}"
                if listing in place_now
                else f"beyond the first {len(now)}"
            )
            out.append((listing, where))
    return Moves(marks, out)
