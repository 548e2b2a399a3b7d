"""Rows of small photos: at the left what a row is about, beside it strips of listings under a name each."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.gallery import Card
from listing_vibes_app.server.runs import OpenRun

NEWEST = 8  # listings of a history
_component = component(__file__, '<div class="lists"></div>')


@dataclass(frozen=True)
class Strip:
    """Small photos of listings under a name."""

    label: str
    cards: list[Card]
    note: str = ""  # where there are no cards, why


@dataclass(frozen=True)
class Row:
    """What a row is about, and its strips."""

    head: Card
    strips: list[Strip]
    label: str = ""  # a line above the title
    further: str = ""  # a link beneath, in words
    href: str = field(default="")  # and where it leads


def newest_strip(opened: OpenRun, listings: Iterable[int], name: str) -> Strip:
    """The listings (rows of the market, the newest first) of a history, each once."""
    rows = list(dict.fromkeys(int(row) for row in listings))
    cards = [listing_card(opened, row) for row in rows[:NEWEST]]
    more = f", the newest {NEWEST} of {len(rows):,}" if len(rows) > NEWEST else ", newest first"
    return Strip(f"{name}{more if len(rows) > 1 else ''}", cards, "" if cards else "No event before.")


@dataclass(frozen=True)
class RowList:
    """Rows under a heading."""

    heading: str
    rows: Sequence[Row]
    note: str = ""  # where there are no rows, why


def photo_rows(
    opened: OpenRun, rows: Sequence[Row], *, key: str, label: str, pictured: bool = True, facts_help: str = ""
) -> None:
    """Show `rows`.

    Args:
        label: what the list is, for screen readers.
        pictured: whether a row is about a listing, whose photo is shown, or about somebody.
        facts_help: what the figures at the left mean.
    """
    _show(opened, [RowList(label, rows)], key, False, pictured, facts_help)


def photo_lists(opened: OpenRun, lists: Sequence[RowList], *, key: str, facts_help: str = "") -> None:
    """Show rows of listings in lists, one below the other: as one component, since a list has no height until it is drawn, and a
    heading of the page beneath it would begin beside the first and jump."""
    _show(opened, lists, key, True, True, facts_help)


def _show(
    opened: OpenRun, lists: Sequence[RowList], key: str, headed: bool, pictured: bool, facts_help: str
) -> None:
    data = {
        "lists": [
            {"label": one.heading, "rows": [_row(row) for row in one.rows], "note": one.note} for one in lists
        ],
        "headed": headed,
        "photos": opened.view.has_photos,
        "subject": pictured,
        "pictured": pictured and opened.view.has_photos,
        "box": opened.box,
        "factsHelp": facts_help,
    }
    _component(key=key, data=data, height="content")


def _row(row: Row) -> dict[str, Any]:
    strips = [
        {"label": one.label, "note": one.note, "cards": [_tile(card) for card in one.cards]}
        for one in row.strips
    ]
    return {
        "head": asdict(row.head),
        "label": row.label,
        "further": row.further,
        "href": row.href,
        "strips": strips,
    }


def _tile(card: Card) -> dict[str, Any]:
    return {name: getattr(card, name) for name in ("title", "href", "photo", "alt", "step", "tone")}
