"""Cards of the events of a simulated history, to edit, move or remove, and cards of listings to add."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from urllib.parse import quote

import numpy as np

from listing_vibes.insight.selection.url_parameters import MOST_EVENTS, token
from listing_vibes.run.histories import Event
from listing_vibes.widgets.scripts import GALLERY, GALLERY_HTML
from listing_vibes_app.app_pages.simulate.history import Simulated
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.gallery import frame_data, gallery, listing_card
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import words
from listing_vibes_app.view.photo_box import BOXES

#: Sign before the text of each kind of mark on a card.
SIGNS = {"new": "+", "up": "↑", "down": "↓", "both": "=", "held": "✓"}
LEAST = 120  # pixels of a card of the history
_component = component(__file__, GALLERY_HTML, *GALLERY[:-1])


def mark(kind: str, text: str) -> dict[str, str]:
    """Return a mark for a card: a short text with the sign of its kind."""
    return {"kind": kind, "text": text, "sign": SIGNS[kind]}


def move_mark(move: str) -> list[dict[str, str]]:
    """Return the mark of a move such as `up 3`; none without a move."""
    return [mark(move.split()[0], move)] if move else []


def history_strip(opened: OpenRun, name: str, history: Simulated, label: str, spoken: str = "") -> None:
    """Show the events of the history `name` in the URL, oldest first."""
    market, tokens = opened.view.market, history.text.split(",")
    cards = []
    for number, (at, event) in enumerate(history.events, start=1):
        card = listing_card(
            opened, market.listing_row[event.listing], step=f"Event {number}", facts=[], photos=[]
        )
        cards.append(asdict(card) | {"at": at, "token": tokens[at]})
    data = {
        **frame_data(opened, label, "grid", LEAST, 0),
        "actions": [
            {"token": quote(action, safe=""), "label": words(action)} for action in market.valid_actions
        ],
        "durations": opened.view.has_events and bool(np.isfinite(opened.view.log.duration).any()),
        "cards": cards,
        "name": name,
        "most": MOST_EVENTS,
        "spoken": spoken,
    }
    _component(key=f"history-{name}", data=data, height="content")


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
    score_help: str = "",
    strip: bool = False,
    spoken: str = "",
    examples: bool = True,
) -> None:
    """Show listings (rows of the market) that a click adds to a history; recommended ones also have a button "not this".

    Args:
        name: of the history in the URL; its name on the page is `target`.
        marks: of each card.
        scores: score line of each card, with the help `score_help`.
        strip: whether the cards are in one row to scroll.
        examples: whether cards have buttons that make them examples of a style direction.
    """
    unwanted = opened.view.market.config.unwanted if scores and not strip else []
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
        )
        cards.append(card)
    gallery(
        opened,
        cards,
        key=key,
        label=label,
        layout="strip" if strip else "grid",
        least=150 if BOXES[opened.box] < 1 else 170,
        score_help=score_help,
        examples=examples,
        history={"name": name, "target": target, "most": MOST_EVENTS},
        spoken=spoken,
    )
