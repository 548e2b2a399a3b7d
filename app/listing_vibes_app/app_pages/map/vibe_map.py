"""The map itself: all listings as points, with photos on hover and beside it."""

from collections.abc import Callable
from typing import Any

from listing_vibes.widgets.colours import VALUES
from listing_vibes.widgets.labels import HINT, labels
from listing_vibes.widgets.scripts import MAP, MAP_HTML
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.map_points import SpaceMap, address
from listing_vibes_app.view.formats import count

_component = component(__file__, MAP_HTML, *MAP[:-1])
HEIGHT = 760  # pixels, known beforehand, so that what stands below does not move
TIME = 48  # of these for the days


def vibe_map(
    one: SpaceMap,
    by: str,
    outline: str,
    group: int | None,
    days: dict[str, Any] | None = None,
    unmet: dict[str, Any] | None = None,
    *,
    key: str,
    on_outline: Callable[[], None],
    on_day: Callable[[], None],
) -> None:
    """Show the map.

    Args:
        by: what the points are coloured by, one of `palettes.choices`.
        outline: the region as `listing_vibes.insight.map.region.read_outline` reads it, or empty.
        group: the cluster that stands out.
        days: the days to go through, see `listing_vibes_app.app_pages.map.days`; None: there are none.
        unmet: the layer of unmet demand, see `listing_vibes_app.app_pages.map.unmet`; None: it is off.
        on_outline: called when a region was drawn; the component's value has it as `outline`.
        on_day: called when the user went to a day; the value has its number as `day`, -1 for all days.
    """
    opened = one.opened
    colours = one.colours(by)
    height = HEIGHT + (TIME if days else 0)
    data = {
        "n": len(one.rows),
        "places": address(opened, one.space, "places"),
        "colours": address(opened, one.space, "colours", by=by),
        "listing": address(opened, one.space, "listing", "0").replace("/listing/0?", "/listing/{number}?"),
        "legend": colours.legend,
        "legendLabel": f"Colours by {palettes.choices(opened.view)[by].lower()}",
        "palette": palettes.SCALE if colours.scale else VALUES,
        "labels": labels(one.places, one.cluster, [portrait.name for portrait in one.portraits]),
        "outline": outline,
        "group": group,
        "photos": opened.view.has_photos,
        "photo": address(opened, one.space, "photo", "0").replace("/photo/0?", "/photo/{number}?"),
        "days": days,
        "unmet": unmet,
        "height": height,
        "box": opened.box,
        "label": f"Map of {count(len(one.rows), 'listing')}: near to one another lies what is alike",
        "hint": HINT,
    }
    _component(
        key=key,
        data=data,
        height=height,
        on_outline_change=on_outline,
        on_day_change=on_day,
    )
