"""The photo grid: listing cards that are links, in boxes of one shape, so that nothing jumps while photos load."""

from dataclasses import asdict, dataclass, field
from typing import Literal

from listing_vibes.widgets.scripts import GALLERY, GALLERY_HTML
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.examples import HIGH, example_marks
from listing_vibes_app.view.photo_box import BOXES

MOSAIC = 320  # pixels high
_component = component(__file__, GALLERY_HTML, *GALLERY[:-1])


@dataclass(frozen=True)
class Reason:
    """An event, an attribute or a photo that carried a recommendation."""

    title: str
    note: str
    photo: str | None = None


@dataclass(frozen=True)
class Card:
    """One card; what is empty is left out."""

    id: str = ""  # of the listing
    title: str = ""
    href: str = ""  # no link where empty
    photo: str | None = None
    count: int = 0  # photos of the listing
    alt: str = ""
    photos: list[str] = field(default_factory=list)  # all of the listing's; a button shows them large
    start: int = 0  # the one of them that is shown first
    facts: list[tuple[str, str]] = field(default_factory=list)
    same: str = ""  # what it shares with the listing that is compared
    differs: str = ""
    reasons: list[Reason] = field(default_factory=list)
    score: str = ""
    why: str = ""  # address of the explanation
    badge: str = ""  # shown with a tick
    step: str = ""  # a line above the title
    divider: str = ""  # a line above the card
    tone: Literal["", "hit", "later", "start"] = ""  # `start` is scrolled into sight


def gallery(
    cards: list[Card],
    *,
    key: str,
    box: str,
    label: str,
    layout: Literal["grid", "strip", "mosaic"] = "grid",
    photos: bool = True,
    least: int = 190,
    score_help: str = "",
    examples: bool = False,
) -> None:
    """Show `cards`.

    Args:
        box: CSS aspect ratio of the photo boxes, one of `app.photos.BOXES`.
        label: what the list is, for screen readers.
        layout: rows that wrap, one row to scroll, or one large photo with smaller ones beside it. The latter two have
            a height known beforehand, so that what stands below does not move.
        photos: whether cards have a photo box at all (a market without photos has none).
        least: smallest width of a card in pixels; on a phone two cards stand side by side.
        examples: whether a click makes a card an example of a vibe dial, while one is being made.
    """
    marks = example_marks() if examples else None
    dividers = any(card.divider for card in cards)
    height = MOSAIC if layout == "mosaic" else _strip_height(cards, BOXES[box], photos, least, dividers)
    height += HIGH * (marks is not None)
    data = {
        "cards": [asdict(card) for card in cards],
        "box": box,
        "ratio": BOXES[box],
        "label": label,
        "layout": layout,
        "photos": photos,
        "least": least,
        "height": height,
        "dividers": dividers,
        "scoreHelp": score_help,
        "examples": marks,
    }
    _component(key=key, data=data, height="content" if layout == "grid" else height)


def _strip_height(cards: list[Card], ratio: float, photos: bool, width: int, dividers: bool) -> int:
    """Pixels of a strip: photo, two lines of title, the line above it, the most facts, and the scroll bar."""
    lines = max((len(card.facts) for card in cards), default=0)
    return round(width / ratio) * photos + 24 * dividers + 100 + 20 * lines + 20
