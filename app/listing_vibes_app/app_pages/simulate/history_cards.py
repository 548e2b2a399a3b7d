"""Cards of the events of a simulated history, to edit, move or remove, and cards of listings to add."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from urllib.parse import quote

import numpy as np

from listing_vibes.insight.selection.url_parameters import MOST_EVENTS, token
from listing_vibes.run.histories import Event
from listing_vibes.widgets.scripts import GALLERY, GALLERY_HTML
from listing_vibes_app.app_pages.simulate.history import Simulated
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.gallery import frame_data, gallery, listing_card
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import duration, words
from listing_vibes_app.view.photo_box import BOXES

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
