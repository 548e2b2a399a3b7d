"""The map element: all listings as points, with photos on hover and in a panel."""

from typing import Any

from listing_vibes.widgets.colors import VALUES
from listing_vibes.widgets.labels import HINT, KEYS, labels
from listing_vibes.widgets.scripts import MAP, MAP_HTML
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.component import component, read_event
from listing_vibes_app.kit.days import NAME as DAY
from listing_vibes_app.kit.days import market_days, read_day
from listing_vibes_app.kit.map_points import SpaceMap, map_url
from listing_vibes_app.server.params import set_params
from listing_vibes_app.view.formats import count

_component = component(__file__, MAP_HTML, *MAP[:-1])
KEY = "vibe-map"
HEIGHT = 760  # pixels, fixed so that elements below do not move
TIME = 48  # of these for the days


def vibe_map(drawn: SpaceMap, by: str, outline: str, group: int | None, unmet: dict[str, Any] | None) -> None:
    """Show the map; a region that the user draws and a day that they choose are written to the URL.

    Args:
        by: how the points are colored, one of `palettes.choices`.
        outline: the region in the format of `listing_vibes.insight.map.region.read_outline`, or empty.
        group: the highlighted cluster.
        unmet: the layer of unmet demand, see `listing_vibes_app.app_pages.map.unmet`; None: it is off.
    """
    opened, space, colors = drawn.opened, drawn.space, drawn.colors(by)
    days = market_days(opened)
    height = HEIGHT + (TIME if days is not None else 0)
    data = {
        "n": len(drawn.rows),
        "places": map_url(opened, space, "places"),
        "colours": map_url(opened, space, "colours", by=by),
        "listing": map_url(opened, space, "listing", "{number}"),
        "photo": map_url(opened, space, "photo", "{number}"),
        "legend": colors.legend,
        "legendLabel": f"Colors by {palettes.choices(opened.view)[by].lower()}",
        "palette": palettes.SCALE if colors.scale else VALUES,
        "labels": labels(drawn.places, drawn.cluster, [portrait.name for portrait in drawn.portraits]),
        "outline": outline,
        "group": group,
        "photos": opened.view.has_photos,
        "days": days
        and {
            "first": days.first,
            "count": len(days),
            "at": read_day(opened),
            "address": map_url(opened, space, "day", "{day}"),
        },
        "unmet": unmet,
        "height": height,
        "box": opened.box,
        "label": f"Map of {count(len(drawn.rows), 'listing')}: what is alike lies close together",
        "hint": HINT,
        "keys": KEYS,
    }

    def draw_outline() -> None:
        if outline := read_event(KEY, "outline"):
            set_params(region=outline, group=None, place=None, page=None)

    def go_to_day() -> None:
        number = read_event(KEY, "day")
        if isinstance(number, int) and days is not None:
            set_params(**{DAY: days.date(number) if 0 <= number < len(days) else None, "place": None})

    changes = {"on_outline_change": draw_outline, "on_day_change": go_to_day}
    _component(key=KEY, data=data, height=height, **changes)
