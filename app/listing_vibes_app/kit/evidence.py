"""Evidence on a page: its headline and sentence, photos, the wall, a map of dots, and bars."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from listing_vibes.insight.evidence import Bar, Dots, Evidence, Strip
from listing_vibes.insight.map.colors import VALUES
from listing_vibes.report.figures import Axis
from listing_vibes.widgets.scripts import GALLERY
from listing_vibes.words import percent
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.gallery import frame_data, listing_card, page_url
from listing_vibes_app.server.photos import LARGE, SMALL, base_path, cover_url
from listing_vibes_app.server.runs import OpenRun, run_params

#: Label of the link of each evidence to the page that shows more.
MORE = {
    "looks": "Open the map",
    "groups": "Open the map",
    "similar": "Why are they alike?",
    "user": "Follow this user",
    "newcomer": "See where it lands",
    "recall": "Compare",
}
_component = component(__file__, '<section class="evidence"></section>', *GALLERY[:-1])


def show_evidence(opened: OpenRun, evidence: Evidence) -> None:
    """Draw evidence with its headline; the slide that a pin makes of it draws the same object."""
    name = evidence.url.partition("part=")[2]
    lead = [Strip(listings=(evidence.lead,))] if evidence.lead else []
    data = {
        "key": evidence.key,
        "url": evidence.url,
        "headline": evidence.headline,
        "sentence": evidence.sentence,
        "population": evidence.population,
        "picture": evidence.picture,
        "href": _with_run(opened, evidence.more) if evidence.more else "",
        "only": page_url(opened, "", part=name),
        "more": MORE.get(evidence.key, "More"),
        "alike": evidence.alike,
        "colors": VALUES,
        "dots": _dots(opened, evidence.dots, _with_run(opened, evidence.more), evidence.picture)
        if evidence.dots
        else None,
        "strips": [_strip(opened, strip, evidence.is_wall) for strip in [*lead, *evidence.strips]],
        **_bars(evidence.bars),
    }
    _component(key=f"evidence-{evidence.key}", data=data, height="content")


def show_dots(opened: OpenRun, key: str, dots: Dots, more: str, picture: str) -> None:
    """Draw only a map of dots, whose groups link to the page `more`."""
    drawn = _dots(opened, dots, _with_run(opened, more), picture)
    _component(
        key=key, data={"key": "map", "url": "", "strips": [], "bars": [], "dots": drawn}, height="content"
    )


def show_bars(key: str, bars: Iterable[Bar], picture: str = "") -> None:
    """Draw only bars."""
    data = {"key": "bars", "url": "", "strips": [], **_bars(list(bars)), "picture": picture}
    _component(key=key, data=data, height="content")


def _with_run(opened: OpenRun, url: str) -> str:
    more = "".join(f"&{name}={value}" for name, value in run_params(opened).items())
    return base_path() + url + (more if "?" in url else more.replace("&", "?", 1))


def _bars(bars: Sequence[Bar]) -> dict[str, Any]:
    """Return what the script draws of bars, and the ticks of their axis, which are those of a slide."""
    rows = [{**bar.model_dump(), "text": percent(bar.value, 0)} for bar in bars]
    return {"bars": rows, "ticks": Axis(bars).ticks}


def _dots(opened: OpenRun, dots: Dots, href: str, picture: str) -> dict[str, Any]:
    """Return what the script draws of a map, with the photos of groups without a name."""
    rows = opened.view.market.listing_row
    covers = [
        cover_url(opened.name, opened.view, rows[group.listing]) if group.listing in rows else None
        for group in dots.groups
    ]
    return {**dots.model_dump(), "colors": VALUES, "covers": covers, "picture": picture, "href": href}


def _strip(opened: OpenRun, strip: Strip, is_wall: bool) -> dict[str, Any]:
    """Return the gallery of a strip, with the ranks of a list."""
    view, size = opened.view, LARGE if len(strip.listings) == 1 else SMALL
    cards = []
    rows = view.market.rows(pd.Series(strip.listings, dtype="str")).tolist()
    for rank, (listing, row) in enumerate(zip(strip.listings, rows, strict=True), 1):
        is_hit = listing in strip.hits
        photo = cover_url(opened.name, view, row, size)
        marks: dict[str, Any] = {
            "step": str(rank) if strip.is_ranked else "",
            "badge": "opened" if is_hit else "",
        }
        words: dict[str, Any] = {} if is_wall or not photo else {"title": "", "facts": []}
        card = listing_card(
            opened, row, photo=photo, photos=[], tone="hit" if is_hit else "", **marks, **words
        )
        cards.append(asdict(card) | ({"facts": card.facts[:FACTS]}))
    head = {"group": strip.group, "share": strip.share, "note": strip.note}
    return {**frame_data(opened, strip.label, "tiles", 0, 0), **head, "cards": cards}


FACTS = 4  # of a card
