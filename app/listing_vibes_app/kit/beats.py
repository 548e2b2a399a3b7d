"""The beats of the first page: photos with a sentence, and bars of methods, which Compare shows, too."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pandas as pd

from listing_vibes.insight.beats import Bar, Beat, Strip
from listing_vibes.scoring.ranking_names import uses_model
from listing_vibes.widgets.scripts import GALLERY
from listing_vibes.words import percent
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.gallery import frame_data, listing_card, page_url
from listing_vibes_app.server.photos import LARGE, SMALL, base_path, cover_url
from listing_vibes_app.server.runs import OpenRun, run_params

#: Label of the link of each beat.
MORE = {
    "vibes": "Open the map",
    "similar": "Why are they alike?",
    "visitor": "Follow this visitor",
    "newcomer": "See where it lands",
    "recall": "Compare",
}
_component = component(__file__, '<section class="beat"></section>', *GALLERY[:-1])


def show_beat(opened: OpenRun, beat: Beat) -> None:
    """Draw a beat."""
    more = "".join(f"&{name}={value}" for name, value in run_params(opened).items())
    href = beat.url + (more if "?" in beat.url else more.replace("&", "?", 1))
    data = {
        "key": beat.key,
        "title": beat.title,
        "sentence": beat.sentence,
        "href": base_path() + href,
        "only": page_url(opened, "", beat=beat.key),
        "more": MORE[beat.key],
        "strips": [_strip(opened, beat, strip) for strip in beat.strips],
        "bars": _rows(beat.bars),
    }
    _component(key=f"beat-{beat.key}", data=data, height="content")


def show_bars(key: str, bars: Iterable[Bar]) -> None:
    """Draw only the bars of a beat."""
    _component(key=key, data={"key": "recall", "strips": [], "bars": _rows(bars)}, height="content")


def _rows(bars: Iterable[Bar]) -> list[dict[str, Any]]:
    """Return what the script draws of each bar."""
    return [
        {**bar.model_dump(), "model": uses_model(bar.method), "text": percent(bar.value, 0)} for bar in bars
    ]


def _strip(opened: OpenRun, beat: Beat, strip: Strip) -> dict[str, Any]:
    """Return the gallery of a strip, with the ranks of a visitor's list."""
    view, size = opened.view, LARGE if len(strip.listings) == 1 else SMALL
    is_ranked = beat.key == "visitor" and strip is beat.strips[-1]
    cards = []
    rows = view.market.rows(pd.Series(strip.listings, dtype="str")).tolist()
    for rank, (listing, row) in enumerate(zip(strip.listings, rows, strict=True), 1):
        is_hit = listing in strip.hits
        photo = cover_url(opened.name, view, row, size)
        marks: dict[str, Any] = {"step": str(rank) if is_ranked else "", "badge": "opened" if is_hit else ""}
        words: dict[str, Any] = {"title": "", "facts": []} if photo else {}
        card = listing_card(
            opened, row, photo=photo, photos=[], tone="hit" if is_hit else "", **marks, **words
        )
        cards.append(asdict(card))
    return {**frame_data(opened, strip.label, "tiles", 0, 0), "cards": cards}
