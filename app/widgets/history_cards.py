"""Cards of a simulated history, each to change, move or remove, and cards of listings to add to it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from urllib.parse import quote

import numpy as np

from app.formats import words
from app.photos import BOXES
from app.session import Current
from app.simulated import MOST, Event, Simulated
from app.widgets.cards import listing_card
from app.widgets.component import component

SCORE_HELP = "How near the listing lies to the history: 1 is the same direction, 0 is nothing in common (cosine similarity)."
SIGNS = {"new": "+", "up": "↑", "down": "↓", "both": "=", "held": "✓"}
_component = component("history_cards", '<p class="spoken" aria-live="polite"></p><ul class="cards"></ul>')


@dataclass(frozen=True)
class Mark:
    """A short word on a card, with a sign."""

    kind: str  # one of `SIGNS`
    text: str
    sign: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sign", SIGNS[self.kind])


def mark(move: str) -> list[Mark]:
    """The mark of a move such as `up 3`; none where nothing moved."""
    return [Mark(move.split()[0], move)] if move else []


def history_strip(here: Current, name: str, history: Simulated, label: str, spoken: str = "") -> None:
    """The events of the history that the address keeps as `name`, oldest first."""
    market = here.view.market
    ids = here.view.market.listing_row
    cards = [
        _card(here, ids[event.listing], event.token, step=f"Event {number}")
        | {"at": at, "token": history.text.split(",")[at], "facts": []}
        for number, (at, event) in enumerate(history.events, start=1)
    ]
    actions = [{"token": quote(action, safe=""), "label": words(action)} for action in market.actions]
    durations = tells_durations(here)
    least = 150 if BOXES[here.box] < 1 else 170
    height = 136 + 34 * bool(actions) + 34 * durations
    if here.view.has_photos:
        height += round(least / BOXES[here.box])
    _show(
        here,
        f"history-{name}",
        cards,
        kind="history",
        layout="strip",
        name=name,
        label=label,
        actions=actions,
        durations=durations,
        least=least,
        height=height,
        spoken=spoken,
    )


def choice(
    here: Current,
    listings: Sequence[int],
    *,
    key: str,
    name: str,
    target: str,
    label: str,
    marks: Sequence[Iterable[Mark]] = (),
    scores: Sequence[str] = (),
    strip: bool = False,
    spoken: str = "",
) -> None:
    """Listings (rows of the market) that a click adds to the history `name`, which people know as `target`."""
    cards = []
    for place, row in enumerate(listings):
        token = Event(here.view.ids[row]).token
        score = scores[place] if scores else ""
        shown = list(marks[place]) if marks else []
        cards.append(_card(here, row, token, score=score) | {"marks": [asdict(one) for one in shown]})
    least = 150 if BOXES[here.box] < 1 else 170
    height = 190 + 18 * len(here.view.headline)
    if here.view.has_photos:
        height += round(least / BOXES[here.box])
    _show(
        here,
        key,
        cards,
        kind="choice",
        layout="strip" if strip else "grid",
        name=name,
        target=target,
        label=label,
        least=least,
        height=height if strip else None,
        spoken=spoken,
    )


def tells_durations(here: Current) -> bool:
    """Whether the market's events say how long they took."""
    return here.view.has_events and bool(np.isfinite(here.view.log.duration).any())


def _card(here: Current, row: int, token: str, **more: str) -> dict:
    return asdict(listing_card(here, row, **more)) | {"token": token, "marks": [], "at": -1}


def _show(here: Current, key: str, cards: list[dict], *, height: int | None, **data: object) -> None:
    whole = {
        "actions": [],
        "durations": False,
        "target": "",
        **data,
        "cards": cards,
        "photos": here.view.has_photos,
        "box": here.box,
        "most": MOST,
        "scoreHelp": SCORE_HELP,
    }
    _component(key=key, data=whole, height="content" if height is None else height)
