"""The map element: photos and points, what is selected beside them, and histograms below; its state is in the URL."""

from listing_vibes.insight.map.space_map import SpaceMap
from listing_vibes.widgets.colors import VALUES
from listing_vibes.widgets.labels import KEYS
from listing_vibes.widgets.scripts import MAP, MAP_HTML
from listing_vibes_app.app_pages.map.unmet import COLORS, HELP, has_unmet
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.days import market_days
from listing_vibes_app.kit.map_points import colors, map_url
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import count

_component = component(__file__, MAP_HTML, *MAP[:-1])


def vibe_map(opened: OpenRun, drawn: SpaceMap, by: str) -> None:
    """Show the map of a space; its script reads the selection, the day and the layer from the URL and writes them there.

    Args:
        by: how the points are colored, one of `palettes.choices`.
    """
    space, days = drawn.space, market_days(opened)
    by_group = by == palettes.CLUSTERS
    coloring = None if by_group else colors(opened, drawn, by)
    data = {
        "n": len(drawn.rows),
        "url": map_url(opened, space, "{part}"),
        "by": by,
        "legend": None if coloring is None else coloring.legend,
        "legendLabel": f"Colors by {palettes.choices(opened.view)[by].lower()}",
        "palette": palettes.SCALE if coloring is not None and coloring.scale else VALUES,
        "photos": opened.view.has_photos,
        "days": days and {"first": days.first, "count": len(days)},
        "unmet": {"colors": COLORS, "help": HELP} if has_unmet(opened, space) else None,
        "run": str(opened.run.path),
        "space": space,
        "box": opened.box,
        "label": f"Map of {count(len(drawn.rows), 'listing')}: what is alike lies close together",
        "keys": KEYS,
        "renames": True,
    }
    _component(key="vibe-map", data=data, height="content")
