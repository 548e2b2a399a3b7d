"""The gallery: listings as cards in boxes of a fixed shape, so that the layout does not shift while photos load."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal
from urllib.parse import unquote, urlencode

import pandas as pd
import streamlit as st

from listing_vibes.insight.market_view import MarketView
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.widgets.scripts import GALLERY, GALLERY_HTML
from listing_vibes_app.kit.component import component
from listing_vibes_app.server.photos import LARGE, base_path, cover_url, photo_url
from listing_vibes_app.server.runs import OpenRun, run_params
from listing_vibes_app.view.formats import MISSING, count, plain, shorten
from listing_vibes_app.view.photo_box import BOXES

FACT = 60  # characters of a value on a card
SHORT = 24  # characters of a value in the line of a listing
BUTTONS = 36  # pixels that they take on a card
#: URL parameter and label of each side of a style direction in the form.
SIDES = {"more": "More like these", "less": "Less like those"}
MAKING = "new-dial"  # the parameter while the form of a style direction is open
Layout = Literal["grid", "strip", "tiles"]
_component = component(__file__, GALLERY_HTML, *GALLERY[:-1])


@dataclass(frozen=True)
class Card:
    """A card; empty fields are not drawn."""

    id: str = ""  # of the listing
    title: str = ""
    href: str = ""  # no link where empty
    photo: str | None = None
    alt: str = ""
    photos: list[str] = field(default_factory=list)  # all of the listing's; a button shows them large
    covers: list[str] = field(
        default_factory=list
    )  # of several listings, in place of the photo; empty for one without
    start: int = 0  # which of them is shown first
    facts: list[tuple[str, str]] = field(default_factory=list)
    same: str = ""  # what it shares with the listing that is compared
    differs: str = ""
    marks: list[dict[str, str]] = field(default_factory=list)  # kind, sign and text of each
    rank: int = 0  # shown on the photo
    score: str = ""
    why: str = ""  # URL of the explanation
    add: str = ""  # the event that a button adds to a history
    unwanted: str = ""  # the event that a button "Not this" adds
    badge: str = ""  # shown with a tick
    step: str = ""  # a line above the title
    divider: str = ""  # a line above the card
    tone: Literal["", "hit", "later"] = ""


def page_url(opened: OpenRun, page: str, **params: Any) -> str:
    """Return a link in the explorer that keeps the current run."""
    given = {name: value for name, value in params.items() if value is not None} | run_params(opened)
    return f"{base_path()}/{page}" + (f"?{urlencode(given)}" if given else "")


def listing_card(opened: OpenRun, row: int, params: dict[str, str | None] | None = None, **more: Any) -> Card:
    """Return the card of a listing: cover, title and main attributes, with a link to similar listings.

    Args:
        row: of the market.
        params: further parameters of the link.
        more: other fields of the card.
    """
    view = opened.view
    title = view.title(row)
    card = Card(
        id=view.ids[row],
        title=title,
        href=page_url(opened, "similar", **{"listing": view.ids[row], **(params or {})}),
        photo=cover_url(opened.name, view, row),
        photos=[photo_url(opened.name, view, row, place, LARGE) for place in range(len(view.photos(row)))],
        alt=f"Cover photo of {title}",
        facts=[(label, shorten(value, FACT)) for label, value in view.facts(row, view.headline)],
    )
    return replace(card, **more)


def listing_panel(opened: OpenRun, row: int) -> None:
    """Show a listing in a narrow column: its cover, from which all photos open, its main attributes as a line, and all of them."""
    view, facts = opened.view, opened.view.facts(row)
    with st.container(key="panel"):
        if view.photos(row):
            card = listing_card(opened, row, facts=[], href="", title="")
            gallery(opened, [card], key="photos", label="Photos of this listing", least=420)
        elif view.has_photos:
            st.caption("This listing has no photo.")
        if facts:
            st.markdown(" · ".join(filter(None, (_fact(view, row, item) for item in view.attributes))))
            with st.expander("All attributes"):
                table = pd.DataFrame(
                    [plain(value) for _, value in facts], [plain(label) for label, _ in facts]
                )
                st.table(table, hide_header=True, border="horizontal", alt="Attributes of this listing")


def _fact(view: MarketView, row: int, item: Attribute) -> str:
    """Return an attribute in the line of a listing; empty without a value, for a flag that is not set, and for what is too long."""
    label, value = plain(item.label), plain(view.text(row, item))
    if item.shown_as == "flag":
        return label if view.raw(row, item) else ""
    is_shown = item.shown_as != "place" and value != MISSING and len(value) <= SHORT
    return f"{label}: {value}" if is_shown else ""


def gallery(
    opened: OpenRun,
    cards: Sequence[Card],
    *,
    key: str,
    label: str,
    layout: Layout = "grid",
    photos: bool | None = None,
    least: int = 190,
    score_help: str = "",
    examples: bool = False,
    history: dict[str, Any] | None = None,
    spoken: str = "",
) -> None:
    """Show `cards`.

    Args:
        label: description of the list for screen readers.
        layout: rows that wrap, or one row to scroll, which has a fixed height, so that elements below do not move.
        photos: whether cards have a photo box; None: if the market has photos.
        least: smallest width of a card in pixels; a phone shows two cards in a row.
        examples: whether cards have buttons that make them examples of a style direction while its form is open.
        history: `name`, `target` (its name on the page) and `most` (events) of the history in the URL that cards are added to.
        spoken: what a screen reader says after a change.
    """
    photos = opened.view.has_photos if photos is None else photos
    examples = examples and MAKING in st.query_params
    sides = {listing: side for side in SIDES for listing in read_ids(side)} if examples else {}
    dividers = any(card.divider for card in cards)
    height = 0
    if (
        layout == "strip"
    ):  # photo, divider, the scroll bar, two lines of title, the most facts, and lines above and below them
        lines = max((len(card.facts) for card in cards), default=0) + 2 * any(card.title for card in cards)
        extra = (any(getattr(card, name) for card in cards) for name in ("step", "score", "same", "badge"))
        height = round(least / BOXES[opened.box]) * photos + 24 * dividers + 38 + 20 * lines + 23 * sum(extra)
    data = {
        **frame_data(opened, label, layout, least, height + BUTTONS * (examples or history is not None)),
        "cards": [asdict(card) | {"side": sides.get(card.id, "")} for card in cards],
        "photos": photos,
        "dividers": dividers,
        "scoreHelp": score_help,
        "examples": examples,
        "history": history,
        "spoken": spoken,
    }
    _component(key=key, data=data, height="content" if layout == "grid" else data["height"])


def frame_data(opened: OpenRun, label: str, layout: Layout, least: int, height: int) -> dict[str, Any]:
    """Return the options of a gallery for its script."""
    box = {"box": opened.box, "ratio": BOXES[opened.box], "least": least, "height": height}
    return {**box, "label": label, "layout": layout, "photos": opened.view.has_photos, "dividers": False}


def read_ids(name: str) -> list[str]:
    """Return the distinct ids in a parameter that holds several."""
    parts = st.query_params.get(name, "").split(",")
    return list(dict.fromkeys(unquote(part) for part in parts if part))


def matches_line(number: int, query: str, complete: int) -> str:
    """Return `12 listings match "canopy bed"`, and how many of the `number` are `complete`, that is, have every word."""
    verb = "matches" if number == 1 else "match"
    if complete == number:
        return f"{count(number, 'listing')} {verb} “{plain(query)}”"
    rest = count(number - complete, "listing" if not complete else "more listing")
    return f"{f'{complete:,} with' if complete else 'No listing has'} every word of “{plain(query)}”; {rest} with some of them, best first"
