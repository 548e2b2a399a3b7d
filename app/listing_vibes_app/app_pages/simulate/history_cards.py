"""Cards of the events of a simulated history, to edit, move or remove, and cards of listings to add."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from urllib.parse import quote

import numpy as np
import streamlit as st

from listing_vibes.insight.selection.url_parameters import EVENT, MOST_EVENTS, known_events, token
from listing_vibes.run.histories import Event
from listing_vibes.widgets.scripts import GALLERY, GALLERY_HTML
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.gallery import frame_data, gallery, listing_card
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import duration, words
from listing_vibes_app.view.photo_box import BOXES

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


#: Sign before the text of each kind of mark on a card.
SIGNS = {"new": "+", "up": "↑", "down": "↓", "both": "=", "held": "✓"}
#: Pixels of a card of the history, of a listing to start with, and of one in a strip without photos.
LEAST, SMALL, WORDY = 140, 118, 220
_component = component(__file__, GALLERY_HTML, *GALLERY[:-1])


def mark(kind: str, text: str) -> dict[str, str]:
    """Return a mark for a card: a short text with the sign of its kind."""
    return {"kind": kind, "text": text, "sign": SIGNS[kind]}


def move_mark(move: str) -> list[dict[str, str]]:
    """Return the mark of a move such as `up 3`; none without a move."""
    return [mark(move.split()[0], move)] if move else []


def history_strip(opened: OpenRun, name: str, history: Simulated, label: str, spoken: str = "") -> None:
    """Show the events of the history `name` in the URL as a strip, oldest first."""
    market, tokens = opened.view.market, history.text.split(",")
    cards = []
    for number, (at, event) in enumerate(history.events, start=1):
        spent = "" if event.duration_s is None else duration(event.duration_s)
        step = ", ".join(filter(None, [words(event.action) if event.action else "", spent]))
        card = listing_card(
            opened, market.listing_row[event.listing], step=step or f"Event {number}", facts=[], photos=[]
        )
        cards.append(asdict(card) | {"at": at, "token": tokens[at]})
    height = round(LEAST / BOXES[opened.box] + 88) if opened.view.has_photos else 134
    data = {
        **frame_data(opened, label, "strip", LEAST if opened.view.has_photos else 170, height),
        "actions": [
            {"token": quote(action, safe=""), "label": words(action)} for action in market.valid_actions
        ],
        "durations": opened.view.has_events and bool(np.isfinite(opened.view.log.duration).any()),
        "cards": cards,
        "name": name,
        "most": MOST_EVENTS,
        "spoken": spoken,
    }
    _component(key=f"history-{name}", data=data, height=height)


def choice(
    opened: OpenRun,
    listings: Sequence[int],
    *,
    key: str,
    name: str,
    target: str,
    label: str,
    marks: Sequence[Iterable[dict[str, str]]] = (),
    scores: Sequence[str] = (),
    why: Sequence[str] = (),
    strip: bool = False,
    bare: bool = False,
    spoken: str = "",
    examples: bool = True,
) -> None:
    """Show listings (rows of the market) that a click adds to a history; recommended ones also have a rank and buttons "Not this" and "Why?".

    Args:
        name: of the history in the URL; its name on the page is `target`.
        marks: of each card.
        scores: a line of each card.
        why: URL of the explanation of each recommended listing, empty without one.
        strip: whether the cards are in one row to scroll.
        bare: whether cards are small, with a photo and a title only.
        examples: whether cards have buttons that make them examples of a style direction.
    """
    unwanted = opened.view.market.config.unwanted if why else []
    cards = []
    for place, row in enumerate(listings):
        listing = opened.view.ids[row]
        card = listing_card(
            opened,
            row,
            score=scores[place] if scores else "",
            marks=list(marks[place]) if marks else [],
            add=token(Event(listing)),
            unwanted=token(Event(listing, unwanted[0])) if unwanted else "",
            rank=place + 1 if why else 0,
            why=why[place] if why else "",
        )
        if bare:
            card = replace(card, facts=[] if card.photo else card.facts, photos=[])
        cards.append(card)
    least = 150 if BOXES[opened.box] < 1 else 170
    if strip:
        least = (SMALL if bare else least) if opened.view.has_photos else WORDY
    gallery(
        opened,
        cards,
        key=key,
        label=label,
        layout="strip" if strip else "grid",
        least=least,
        examples=examples,
        history={"name": name, "target": target, "most": MOST_EVENTS},
        spoken=spoken,
    )
