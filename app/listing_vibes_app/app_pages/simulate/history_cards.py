"""Cards of the events of a simulated history, to edit, move or remove, and cards of listings to add."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import numpy as np

from listing_vibes.insight.selection.histories import MOST, token
from listing_vibes.run.histories import Event
from listing_vibes.widgets.scripts import GALLERY, GALLERY_HTML
from listing_vibes_app.app_pages.simulate.history import Simulated
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.gallery import (
    EXAMPLE_BUTTONS,
    Layout,
    example_marks,
    frame_data,
    listing_card,
)
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import words
from listing_vibes_app.view.photo_box import BOXES

#: Sign before the text of each kind of mark on a card.
SIGNS = {"new": "+", "up": "↑", "down": "↓", "both": "=", "held": "✓"}
_component = component(__file__, f'<p class="spoken" aria-live="polite"></p>{GALLERY_HTML}', *GALLERY[:-1])


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
        place = {"at": at, "token": tokens[at], "first": number == 1, "last": number == len(history)}
        row = market.listing_row[event.listing]
        cards.append(_card(opened, row, step=f"Event {number}", facts=[]) | place)
    durations = opened.view.has_events and bool(np.isfinite(opened.view.log.duration).any())
    actions = [{"token": quote(action, safe=""), "label": words(action)} for action in market.valid_actions]
    data = {"kind": "history", "actions": actions, "durations": durations, "spoken": spoken, "target": ""}
    _show(opened, f"history-{name}", cards, name, label, "grid", 0, data)


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
        listing, card = opened.view.ids[row], _card(opened, row, score=scores[place] if scores else "")
        card |= {"token": token(Event(listing)), "marks": list(marks[place]) if marks else []}
        card["unwanted"] = token(Event(listing, unwanted[0])) if unwanted else ""
        cards.append(card)
    example_ids = example_marks() if examples else None
    height = 190 + 18 * len(opened.view.headline) + EXAMPLE_BUTTONS * (example_ids is not None)
    data = {"kind": "choice", "target": target, "scoreHelp": score_help, "spoken": spoken}
    layout: Layout = "strip" if strip else "grid"
    _show(opened, key, cards, name, label, layout, height, data | {"examples": example_ids})


def _card(opened: OpenRun, row: int, **more: Any) -> dict[str, Any]:
    return asdict(listing_card(opened, row, **more)) | {"marks": [], "at": -1}


def _show(
    opened: OpenRun,
    key: str,
    cards: list[dict[str, Any]],
    name: str,
    label: str,
    layout: Layout,
    height: int,
    data: dict[str, Any],
) -> None:
    least = 120 if data["kind"] == "history" else 150 if BOXES[opened.box] < 1 else 170
    if opened.view.has_photos:
        height += round(least / BOXES[opened.box])
    usual = {"actions": [], "durations": False, "scoreHelp": "", "examples": None, "most": MOST}
    frame = frame_data(opened, label, layout, least, height if layout == "strip" else 0)
    full = {**usual, **frame, **data, "name": name, "cards": cards}
    _component(key=key, data=full, height="content" if layout == "grid" else height)
