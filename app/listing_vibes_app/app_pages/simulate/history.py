"""Simulated histories: their format in the URL, the states for Undo, and how a change moves listings in a list."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from listing_vibes.insight.selection.histories import EVENT, MOST, known_events
from listing_vibes.run.histories import Event
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import OpenRun

STATES = 100  # most changes that can be undone


@dataclass(frozen=True)
class Simulated:
    """A history in the URL, and its events that this run knows."""

    text: str
    events: list[tuple[int, Event]]  # position in the URL, and the event
    unknown: int  # events on listings that the run or its market does not have

    def __len__(self) -> int:
        return len(self.events)

    @property
    def known(self) -> list[Event]:
        """The known events, oldest first."""
        return [event for _, event in self.events]


def parse_history(opened: OpenRun, text: str) -> Simulated:
    """Return the history in a URL, without actions that the market does not have."""
    tokens, available = text.split(EVENT)[:MOST] if text else [], known_events(opened.run, text)
    return Simulated(text, available, len(tokens) - len(available))


@dataclass(frozen=True)
class Moves:
    """How a list changed: the move of each shown listing, and the listings that moved out, with their new rank in words."""

    marks: list[str]  # "new", "up 3", "down 2", or "" without a move
    out: list[tuple[str, str]]

    @property
    def new(self) -> int:
        """Number of listings that moved in."""
        return self.marks.count("new")


def moves(before: list[str], now: list[str], k: int, history: Iterable[str] = ()) -> Moves:
    """Return the changes among the first `k` of two rankings; none if the previous ranking was empty."""
    if not before:
        return Moves([""] * len(now[:k]), [])
    was = {listing: place for place, listing in enumerate(before[:k])}
    steps = [was[listing] - place if listing in was else None for place, listing in enumerate(now[:k])]
    marks = [
        "new" if step is None else f"up {step}" if step > 0 else f"down {-step}" if step else ""
        for step in steps
    ]
    rank_now, chosen, out = {listing: rank for rank, listing in enumerate(now, 1)}, set(history), []
    for listing in before[:k]:
        if listing in chosen:
            out.append((listing, "in the history now"))
        elif rank_now.get(listing, k + 1) > k:
            rank = rank_now.get(listing)
            out.append((listing, f"now no. {rank}" if rank else f"beyond the first {len(now)}"))
    return Moves(marks, out)


def _states(page: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"now": None, "past": [], "last": {}}
    states: dict[str, Any] = st.session_state.setdefault(f"undo-{page}", empty)
    return states


def remember(page: str, state: Mapping[str, str]) -> None:
    """Record the state (parameters by name) of the page; a new state can be undone."""
    states, state = _states(page), dict(state)
    if states["now"] is None:
        states["now"] = state
    elif states["now"] != state:
        states["past"] = [*states["past"], states["now"]][-STATES:]
        _enter(states, state)


def can_undo(page: str) -> bool:
    """Return whether there is an earlier state."""
    return bool(_states(page)["past"])


def undo(page: str) -> None:
    """Restore the previous state; this cannot be undone."""
    states = _states(page)
    if states["past"]:
        state = states["past"].pop()
        _enter(states, state)
        set_params(**{name: value or None for name, value in state.items()})


def before(page: str, name: str) -> str:
    """Return the previous value of a parameter; empty if it never changed."""
    return str(_states(page)["last"].get(name, ""))


def _enter(states: dict[str, Any], state: dict[str, str]) -> None:
    for name, value in state.items():
        if states["now"].get(name) != value:
            states["last"][name] = states["now"].get(name, "")
    states["now"] = state
