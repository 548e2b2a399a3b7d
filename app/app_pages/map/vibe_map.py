"""The map itself: all listings as points, with photos on hover and beside it."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from app.app_pages.map import palettes
from app.app_pages.map.points import SpaceMap, address
from app.kit.component import component
from app.view.formats import count, shorten

_HTML = """
<section class="vibe-map">
  <div class="tools" role="toolbar" aria-label="Map tools"></div>
  <div class="stage"><canvas tabindex="0" role="application"></canvas><div class="tip" aria-hidden="true" hidden></div></div>
  <div class="beside" role="region" aria-label="The listing pointed at" tabindex="0"></div>
  <ul class="legend"></ul>
  <p class="told" role="status"></p>
</section>
"""
_component = component(__file__, _HTML, "map_draw")
LABEL = 90  # characters of a name on the map, of which the zoom shows more or fewer
HEIGHT = 760  # pixels, known beforehand, so that what stands below does not move
HINT = (
    "Point at a listing to see it here; click to keep it. With the keyboard: arrows go from listing to listing, "
    "with Shift they move the map, + and − zoom, Enter opens what is like the listing."
)


def labels(one: SpaceMap) -> list[dict[str, object]]:
    """The name of each cluster at the middle of its places, the largest first."""
    found = []
    for number, portrait in enumerate(one.portraits):
        x, y = np.median(one.places[one.cluster == number], axis=0)
        found.append({"text": shorten(portrait.name, LABEL), "x": int(x), "y": int(y)})
    return found


def vibe_map(
    one: SpaceMap, by: str, outline: str, group: int | None, *, key: str, on_outline: Callable[[], None]
) -> None:
    """Show the map.

    Args:
        by: what the points are coloured by, one of `palettes.choices`.
        outline: the region as `core.insight.map.region.write_outline` writes it, or empty.
        group: the cluster that stands out.
        on_outline: called when a region was drawn; the component's value has it as `outline`.
    """
    opened = one.opened
    colours = one.colours(by)
    data = {
        "n": len(one.rows),
        "places": address(opened, one.space, "places"),
        "colours": address(opened, one.space, "colours", by=by),
        "listing": address(opened, one.space, "listing", "0").replace("/listing/0?", "/listing/{number}?"),
        "legend": colours.legend,
        "legendLabel": f"Colours by {palettes.choices(opened.view)[by].lower()}",
        "palette": palettes.SCALE if colours.scale else palettes.VALUES,
        "labels": labels(one),
        "outline": outline,
        "group": group,
        "photos": opened.view.has_photos,
        "height": HEIGHT,
        "box": opened.box,
        "label": f"Map of {count(len(one.rows), 'listing')}: near to one another lies what is alike",
        "hint": HINT,
    }
    _component(key=key, data=data, height=HEIGHT, on_outline_change=on_outline)


def drawn(key: str) -> str | None:
    """The outline that the user has just drawn."""
    value = st.session_state.get(key)
    return value.get("outline") if value else None
