"""The vibe map of the explorer as a notebook widget."""

from typing import Any

import anywidget
import pandas as pd
import traitlets

from listing_vibes.errors import VibesError
from listing_vibes.insight.days import market_days
from listing_vibes.insight.map.colors import VALUES
from listing_vibes.insight.map.parts import map_data, map_part, read_numbers
from listing_vibes.insight.map.region import read_outline
from listing_vibes.insight.map.space_map import load_maps, map_of
from listing_vibes.insight.map.vibe_map import save_map
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.photo_decoding import thumbnail
from listing_vibes.progress import Report, shown
from listing_vibes.report.figures import Photo
from listing_vibes.run.query import describe_listings
from listing_vibes.run.run import Run
from listing_vibes.widgets.gallery_widget import chosen_frame, facts_of
from listing_vibes.widgets.scripts import MAP, MAP_HTML, MAP_KEYS, notebook_module


class MapWidget(anywidget.AnyWidget):
    """All listings of a space as photos or points, in groups with names; a line around them, a group or a histogram chooses listings.

    >>> drawn = MapWidget(run)
    >>> drawn.outline = "0,0;50000,0;50000,50000;0,50000"
    >>> len(drawn.selected) > 100, drawn.selection.columns[0]
    (True, 'listing_id')

    Attributes:
        outline: the line, in the format of the explorer's URLs: `x,y;x,y;...` on a grid of 50,000 steps; "" for none.
        group: number of the chosen group, -1 for none; the outline takes precedence.
        where: conditions of the brushed histograms, such as "price<1000".
        day: number of the shown day, 0 for that of the first event; -1 for all days. The slider needs events with times on
            several days.
        selected: ids of the listings chosen by these four; `observe` reports every change.
    """

    _esm = notebook_module(MAP, "map_widget", MAP_HTML)
    _data = traitlets.Dict().tag(sync=True)
    outline = traitlets.Unicode().tag(sync=True)
    group = traitlets.Int(-1).tag(sync=True)
    where = traitlets.List(traitlets.Unicode()).tag(sync=True)
    day = traitlets.Int(-1).tag(sync=True)
    selected = traitlets.List(traitlets.Unicode())

    def __init__(
        self, run: Run, space: str | None = None, progress: Report | bool = True, **more: Any
    ) -> None:
        """Show the map of a run, after drawing it if the run has none.

        Args:
            space: "photos", "model", "attributes", or "location" for the street map; None: "photos" if the run has it, else its
                first space.
            progress: of drawing: called with each update of `listing_vibes.progress`, or True for lines on stderr.
            more: arguments of the widget, such as `layout`.

        Raises:
            VibesError: the run has no such space, or too few listings for a map.
        """
        if not load_maps(run):
            with shown(progress) as report:
                save_map(run, report=report)
        if not load_maps(run):
            raise VibesError(f"{run.path} has too few listings for a map.")
        self.run, self._map = run, map_of(run, space)
        data = {
            **map_data(self._map),
            "url": "notebook",
            "by": "",
            "legend": None,
            "legendLabel": "",
            "palette": VALUES,
            "photos": bool(run.market.cover),
            "unmet": None,
            "box": "4 / 3",
            "keys": MAP_KEYS,
        }
        super().__init__(_data=data, **more)
        self.on_msg(self._respond)

    @traitlets.validate("outline")
    def _validate_outline(self, proposal: Any) -> str:
        text = str(proposal["value"])
        if text and read_outline(text) is None:
            raise traitlets.TraitError(
                f"'{text[:60]}' is not an outline; write three or more corners as 'x,y;x,y;x,y'."
            )
        return text

    @traitlets.validate("day")
    def _validate_day(self, proposal: Any) -> int:
        number, days = int(proposal["value"]), market_days(self.run)
        if number >= (0 if days is None else len(days)) or number < -1:
            raise traitlets.TraitError(
                "There are no days to go through; leave day at -1."
                if days is None
                else f"There is no day {number}; give 0 ({days.date(0)}) to {len(days) - 1} ({days.date(len(days) - 1)}), or -1."
            )
        return number

    @traitlets.observe("outline", "group", "where", "day")
    def _select(self, _change: Any) -> None:
        days = market_days(self.run)
        day = None if days is None or self.day < 0 else days.date(self.day)
        group = None if self.group < 0 or self.outline else self.group
        is_selected = bool(self.outline or self.where or group is not None or day)
        chosen = self._map.chosen(self.outline, group, self.where, day)
        self.selected = self._map.ids[chosen].tolist() if is_selected else []

    @property
    def selection(self) -> pd.DataFrame:
        """The market's rows of the listings chosen, all columns."""
        return chosen_frame(self.run, self.selected)

    def _respond(self, _widget: Any, message: Any, _buffers: Any) -> None:
        """Answer a request of the script, see `web/map_widget.js`."""
        if not isinstance(message, dict) or not isinstance(message.get("params"), dict):
            return
        params = {str(name): str(value) for name, value in message["params"].items()}
        content = self._part(str(message.get("part")), params)
        is_bytes = isinstance(content, bytes)
        answer = {"number": message.get("number"), "content": None if is_bytes else content}
        self.send(answer, [content] if is_bytes else [])

    def _part(self, part: str, params: dict[str, str]) -> Any:
        """Return a part of the map: bytes, or what becomes JSON; empty if there is none."""
        drawn = self._map
        match part:
            case "photo":
                (at,) = read_numbers(params, len(drawn.rows), 1)
                cover = self.run.market.cover.get(str(drawn.ids[at]))
                small = thumbnail(self.run.market.path, cover) if cover else None
                return small.read_bytes() if small else b""
            case "cards":
                return [self._card(at) for at in read_numbers(params, len(drawn.rows))]
            case "name":
                drawn.name(int(params["group"]), params["name"])
                return {"name": drawn.names[int(params["group"])]}
        content = map_part(drawn, part, params)
        return b"" if content is None else content

    def _card(self, at: int) -> dict[str, Any]:
        listing, group = str(self._map.ids[at]), int(self._map.cluster[at])
        photo = Photo(self.run.market, listing)
        table = describe_listings(self.run, pd.DataFrame({C.LISTING: [listing], "score": [0.0]}))
        return {
            "title": photo.title, "photo": photo.data(), "alt": f"Cover photo of {photo.title}", "href": "",
            "facts": facts_of(table, 0), "step": self._map.names[group] if group >= 0 else "",
        }  # fmt: skip
