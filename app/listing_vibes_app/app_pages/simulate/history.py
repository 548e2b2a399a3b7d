"""Simulated histories: as the address has them, as the frame that the recommender takes, and what moved when one changed."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from listing_vibes.insight.selection import histories
from listing_vibes.insight.selection.histories import EVENT, MOST, as_text, known_events, parse
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.histories import Event
from listing_vibes_app.server.runs import OpenRun


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


def read(opened: OpenRun, text: str) -> Simulated:
    """The history of an address; an action that the market does not know is left out."""
    tokens, known = text.split(EVENT)[:MOST] if text else [], known_events(opened.run, text)
    return Simulated(text, known, len(tokens) - len(known))


def frame(text: str) -> pd.DataFrame:
    """A history as `Run.recommend` takes it, oldest first."""
    events = [parse(token) for token in text.split(EVENT)] if text else []
    table = pd.DataFrame({C.LISTING: [event.listing for event in events]}, dtype="str")
    if any(event.action for event in events):
        table[C.ACTION] = [event.action for event in events]
    if any(event.duration_s is not None for event in events):
        table[C.DURATION] = [event.duration_s for event in events]
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
            None if pd.isna(action) or not action else str(action),
            None if pd.isna(value) else float(value),
        )
        for listing, action, value in zip(table[C.LISTING], actions, seconds, strict=True)
    )


def document(text: str) -> str:
    """A history as the JSON that `vibes recommend --history FILE` reads."""
    return histories.document([parse(token) for token in text.split(EVENT)] if text else [])


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
