"""The map element: photos and points, what is selected beside them, and histograms below; its state is in the URL."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.map.colors import VALUES
from listing_vibes.insight.map.parts import chosen_by, map_data, read_where
from listing_vibes.insight.map.space_map import SpaceMap
from listing_vibes.market.io import spreadsheet_csv
from listing_vibes.run.run import Run
from listing_vibes.widgets.scripts import MAP, MAP_HTML, MAP_KEYS
from listing_vibes_app.app_pages.map.unmet import COLORS, HELP, end_of_day, has_unmet, unmet
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.as_code import as_code, download, literal
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.map_points import colors, map_url
from listing_vibes_app.server.runs import OpenRun

_component = component(__file__, MAP_HTML, *MAP[:-1])


def vibe_map(opened: OpenRun, drawn: SpaceMap, by: str) -> None:
    """Show the map of a space; its script reads the selection, the day and the layer from the URL and writes them there.

    Args:
        by: how the points are colored, one of `palettes.choices`.
    """
    space = drawn.space
    by_group = by == palettes.CLUSTERS
    coloring = None if by_group else colors(opened, drawn, by)
    data = {
        **map_data(drawn),
        "url": map_url(opened, space),
        "by": by,
        "legend": None if coloring is None else coloring.legend,
        "legendLabel": f"Colors by {palettes.choices(opened.view)[by].lower()}",
        "palette": palettes.SCALE if coloring is not None and coloring.scale else VALUES,
        "photos": opened.view.has_photos,
        "unmet": {"colors": COLORS, "help": HELP} if has_unmet(opened, space) else None,
        "box": opened.box,
        "keys": MAP_KEYS,
    }
    _component(key="vibe-map", data=data, height="content")


@dataclass(frozen=True)
class MapSelection:
    """The listings of a map that the parameters of a URL select."""

    opened: OpenRun
    drawn: SpaceMap
    params: Mapping[str, str]
    label: str = ""
    kind: str = "map"

    @property
    def region(self) -> int:
        """The number of the chosen region of unmet demand, 0 for none."""
        place = self.params.get("place", "")
        return int(place) if "unmet" in self.params and place.isdecimal() and len(place) < 3 else 0

    def table(self, run: Run) -> pd.DataFrame:
        """Return the listings with their attributes.

        Raises:
            VibesError: a parameter cannot be read.
        """
        chosen = chosen_by(self.drawn, self.params)
        if self.region:
            region = unmet(
                self.opened, self.drawn.space, end_of_day(self.opened, self.params.get("day"))
            ).regions[self.region - 1]
            chosen &= np.isin(self.drawn.ids, region.listings)
        return self.drawn.frame(chosen)

    def python(self, run: str) -> str:
        """Return Python code that assigns the listings to `found`; `run` is the run's folder."""
        opened, space = f"run = Run.open({literal(run)})", literal(self.drawn.space)
        if self.region:
            call = f"demand(run, space={space}).regions[{self.region - 1}].listings"
            return f"from listing_vibes import Run, demand\n\n{opened}\nresult = {call}"
        region, group = self.params.get("region", ""), self.params.get("group", "")
        given = {
            "region": region,
            "group": int(group) if group.isdecimal() and len(group) < 6 and not region else "",
            "where": read_where(self.params.get("where", "")),
            "day": self.params.get("day", ""),
        }
        options = "".join(
            f", {name}={literal(value)}" for name, value in given.items() if value not in ("", [])
        )
        return f"from listing_vibes import Run, select_on_map\n\n{opened}\nresult = select_on_map(run, {space}{options})"


def export_map(opened: OpenRun, drawn: SpaceMap) -> None:
    """Draw the export menu with the selection in the URL, and unmet demand while its layer is shown."""
    item = MapSelection(opened, drawn, st.query_params.to_dict())

    def regions() -> bytes:
        at = end_of_day(opened, item.params.get("day"))
        return spreadsheet_csv(unmet(opened, drawn.space, at).frame())

    with as_code(opened, [item]):
        if "unmet" in item.params and has_unmet(opened, drawn.space):
            download("Unmet demand as CSV", regions, f"{opened.name}-unmet-demand.csv", "unmet-csv")
