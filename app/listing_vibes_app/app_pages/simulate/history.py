"""Simulated histories: their format in the URL, the states for Undo, and how a change moves listings in a list."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import streamlit as st

from listing_vibes.insight.selection.url_parameters import EVENT, MOST_EVENTS, known_events
from listing_vibes.run.histories import Event
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import OpenRun

STATES = 100  # most states that are kept for Undo


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
    tokens, available = text.split(EVENT)[:MOST_EVENTS] if text else [], known_events(opened.run, text)
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


def _states(page: str) -> list[dict[str, str]]:
    """Return the states (parameters by name) of the page in this session, the current one last."""
    states: list[dict[str, str]] = st.session_state.setdefault(f"undo-{page}", [])
    return states


def remember(page: str, state: Mapping[str, str]) -> None:
    """Record the state of the page; a new state can be undone."""
    states = _states(page)
    if not states or states[-1] != state:
        states.append(dict(state))
    del states[:-STATES]


def can_undo(page: str) -> bool:
    """Return whether there is an earlier state."""
    return len(_states(page)) > 1


def undo(page: str) -> None:
    """Restore the previous state; this cannot be undone."""
    if can_undo(page):
        states = _states(page)
        states.pop()
        set_params(**{name: value or None for name, value in states[-1].items()})


def before(page: str, name: str) -> str:
    """Return the value of a parameter before its last change; empty if it never changed."""
    *earlier, now = _states(page)
    return next((state[name] for state in reversed(earlier) if state[name] != now[name]), "")
