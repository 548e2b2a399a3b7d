"""Listings as cards of the gallery."""

from typing import Any
from urllib.parse import urlencode

from listing_vibes_app.kit.gallery import Card
from listing_vibes_app.server.photos import LARGE, base_path, cover_url, photo_url
from listing_vibes_app.server.runs import OpenRun, run_paths
from listing_vibes_app.view.formats import count, plain, shorten

FACT = 60  # characters of a value on a card, where it wraps


def address(opened: OpenRun, page: str, **params: Any) -> str:
    """A link within the explorer that keeps the chosen run."""
    if len(run_paths()) > 1:
        params["run"] = opened.name
    query = urlencode({name: value for name, value in params.items() if value is not None})
    return f"{base_path()}/{page}" + (f"?{query}" if query else "")


def listing_card(opened: OpenRun, row: int, **more: Any) -> Card:
    """The card of a listing: cover, title and headline attributes; links to its neighbours."""
    view = opened.view
    title = view.title(row)
    params = more.pop("params", {})
    told = {
        "id": view.ids[row],
        "title": title,
        "href": address(opened, "similar", listing=view.ids[row], **params),
        "photo": cover_url(opened.name, view, row),
        "count": len(view.photos(row)),
        "alt": f"Cover photo of {title}",
        "facts": [(label, shorten(value, FACT)) for label, value in view.facts(row, view.headline)],
    }
    return Card(**{**told, **more})


def album(opened: OpenRun, row: int) -> list[str]:
    """Addresses of all photos of a listing, large."""
    return [
        photo_url(opened.name, opened.view, row, place, LARGE)
        for place in range(len(opened.view.photos(row)))
    ]


def photo_cards(opened: OpenRun, row: int, size: int) -> list[Card]:
    """One card without words for each photo of a listing."""
    view = opened.view
    total = len(view.photos(row))
    return [
        Card(
            photo=photo_url(opened.name, view, row, position, size),
            alt=f"Photo {position + 1} of {total} of {view.title(row)}",
        )
        for position in range(total)
    ]


def matches_line(number: int, query: str) -> str:
    """`12 listings match "canopy bed"`."""
    return f"{count(number, 'listing')} {'matches' if number == 1 else 'match'} “{plain(query)}”"
