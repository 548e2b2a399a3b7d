"""Test queries as rows: what was really touched next, the history before it, and the first places of two rankings."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from app.kit.cards import listing_card
from app.kit.component import component
from app.kit.gallery import Card
from app.server.runs import OpenRun

HISTORY = 8  # newest events drawn
_component = component(__file__, '<ul class="queries"></ul>')


@dataclass(frozen=True)
class Strip:
    """Small photos of listings under a name."""

    label: str
    cards: list[Card]
    note: str = ""  # where there are no cards, why


def history_strip(opened: OpenRun, user: int, at: int) -> Strip:
    """The listings of the first `at` events of a user, each once, the newest first."""
    log = opened.view.log
    rows = list(dict.fromkeys(log.listing[log.start[user] : log.start[user] + at][::-1].tolist()))
    cards = [listing_card(opened, row) for row in rows[:HISTORY]]
    more = f", the newest {HISTORY} of {len(rows):,}" if len(rows) > HISTORY else ", newest first"
    return Strip(f"History{more if len(rows) > 1 else ''}", cards, "" if len(cards) else "No event before.")


def list_strip(opened: OpenRun, name: str, listings: list[str], target: int) -> Strip:
    """The first listings of a ranking; the `target` (row) is marked in it."""
    rows = [opened.view.market.listing_row.get(listing) for listing in listings]
    cards = [
        listing_card(opened, row, step=str(at), tone="hit" if row == target else "")
        for at, row in enumerate(rows, 1)
        if row is not None
    ]
    return Strip(f"{name} put first", cards, "" if cards else f"{name} could recommend nothing here.")


def query_rows(rows: list[dict[str, Any]], opened: OpenRun, *, key: str, label: str, place_help: str) -> None:
    """Show rows of `query_row`."""
    data = {
        "rows": rows,
        "photos": opened.view.has_photos,
        "box": opened.box,
        "label": label,
        "placeHelp": place_help,
    }
    _component(key=key, data=data, height="content")


def query_row(target: Card, user: str, href: str, strips: list[Strip]) -> dict[str, Any]:
    """A row as the script draws it; `user` is who and when, `href` their page at that moment."""
    return {
        "target": asdict(target),
        "user": user,
        "href": href,
        "strips": [
            {
                "label": one.label,
                "note": one.note,
                "cards": [
                    {part: value for part, value in asdict(card).items() if part in _SMALL}
                    for card in one.cards
                ],
            }
            for one in strips
        ],
    }


_SMALL = ("title", "href", "photo", "alt", "step", "tone")


def events_before(opened: OpenRun, user: int, when: int) -> int:
    """How many events of a user lie before a moment in the log's time."""
    log = opened.view.log
    start, end = int(log.start[user]), int(log.start[user + 1])
    return int(np.searchsorted(log.time[start:end], when))
