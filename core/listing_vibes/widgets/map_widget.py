"""The vibe map of the explorer as a notebook widget."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets

from listing_vibes.errors import VibesError
from listing_vibes.insight.days import MarketDays
from listing_vibes.insight.map.region import inside, read_outline
from listing_vibes.insight.map.vibe_map import save_map
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.thumbnails import thumbnail
from listing_vibes.progress import Report, shown
from listing_vibes.report.looks import Photo, listings_map
from listing_vibes.run.describe import describe_listings
from listing_vibes.run.run import Run
from listing_vibes.widgets.chosen import chosen_frame, facts_of
from listing_vibes.widgets.colors import VALUES, by_value
from listing_vibes.widgets.labels import HINT, KEYS, labels
from listing_vibes.widgets.scripts import MAP, MAP_HTML, notebook_module

HEIGHT, TIME = 620, 48  # heights in pixels of the map and of the days


class MapWidget(anywidget.AnyWidget):
    """All listings of a space as points, in groups with names; a line around points chooses their listings.

    >>> drawn = MapWidget(run)
    >>> drawn.outline = "0,0;50000,0;50000,50000;0,50000"
    >>> len(drawn.selected) > 100, drawn.selection.columns[0]
    (True, 'listing_id')

    Attributes:
        outline: the line, in the format of the explorer's URLs: `x,y;x,y;...` on a grid of 50,000 steps; "" for none.
        day: number of the shown day, 0 for that of the first event; -1 for all days. The slider needs events with times on
            several days.
        selected: ids of the listings inside the line; `observe` reports every change.
    """

    _esm = notebook_module(MAP, "map_widget", MAP_HTML)
    _days: MarketDays | None = None
    _data = traitlets.Dict().tag(sync=True)
    _places = traitlets.Bytes().tag(sync=True)
    _codes = traitlets.Bytes().tag(sync=True)
    outline = traitlets.Unicode().tag(sync=True)
    day = traitlets.Int(-1).tag(sync=True)
    selected = traitlets.List(traitlets.Unicode())

    def __init__(
        self, run: Run, space: str | None = None, progress: Report | bool = True, **more: Any
    ) -> None:
        """Show the map of a run, after drawing it if the run has none.

        Args:
            space: "photos", "model" or "attributes"; None: "photos" if the run has it, else its first space.
            progress: of drawing: called with each update of `listing_vibes.progress`, or True for lines on stderr.
            more: arguments of the widget, such as `layout`.

        Raises:
            VibesError: the run has no such space, or too few listings for a map.
        """
        if space is not None and space not in run.spaces:
            raise VibesError(f"{run.path} has no space '{space}'; it has: {', '.join(run.spaces)}.")
        result = listings_map(run, space)
        if result is None:
            with shown(progress) as report:
                save_map(run, report=report)
            result = listings_map(run, space)
        if result is None:
            raise VibesError(f"{run.path} has too few listings for a map.")
        drawn, rows, places = result
        self.run, self._rows, self._grid, self._cluster = run, rows, places, drawn.cluster
        self._names = [name for name, _ in drawn.groups]
        self._days = MarketDays.of(run.log, run.catalogue) if len(run.market.events) else None
        colors = by_value(drawn.cluster, self._names, "Smaller groups", "Between the groups")
        data = {
            "n": len(rows),
            "places": "_places",
            "colours": "_codes",
            "legend": [list(item) for item in colors.legend],
            "legendLabel": "Colors by groups",
            "palette": VALUES,
            "labels": labels(places, drawn.cluster, self._names),
            "group": None,
            "photos": bool(run.market.cover),
            "days": self._days
            and {"first": self._days.first, "count": len(self._days), "at": None, "address": "day/{day}"},
            "unmet": None,
            "height": HEIGHT + (TIME if self._days else 0),
            "box": "4 / 3",
            "label": f"Map of {drawn.caption}",
            "hint": HINT,
            "keys": KEYS,
        }
        points = places.astype("<u2").tobytes() + drawn.cluster.astype("<i2").tobytes()
        super().__init__(_data=data, _places=points, _codes=colors.codes.tobytes(), **more)
        self.on_msg(self._respond)

    @traitlets.validate("outline")
    def _validate_outline(self, proposal: Any) -> str:
        text = str(proposal["value"])
        if text and read_outline(text) is None:
            raise traitlets.TraitError(
                f"'{text[:60]}' is no outline; write three or more corners as 'x,y;x,y;x,y'."
            )
        return text

    @traitlets.validate("day")
    def _validate_day(self, proposal: Any) -> int:
        number, days = int(proposal["value"]), self._days
        if number >= (0 if days is None else len(days)) or number < -1:
            raise traitlets.TraitError(
                "There are no days to go through; leave day at -1."
                if days is None
                else f"There is no day {number}; give 0 ({days.date(0)}) to {len(days) - 1} ({days.date(len(days) - 1)}), or -1."
            )
        return number

    @traitlets.observe("outline")
    def _select(self, _change: Any) -> None:
        outline = read_outline(self.outline) if self.outline else None
        within = np.zeros(len(self._rows), bool) if outline is None else inside(self._grid, outline)
        self.selected = self.run.market.listings[C.LISTING].iloc[self._rows[within]].tolist()

    @property
    def selection(self) -> pd.DataFrame:
        """The market's rows of the listings chosen, all columns."""
        return chosen_frame(self.run, self.selected)

    def _respond(self, _widget: Any, content: Any, _buffers: Any) -> None:
        query = content if isinstance(content, dict) else {}
        kind, number = query.get("kind"), query.get("number")
        if not isinstance(number, int):
            return
        if kind == "card" and 0 <= number < len(self._rows):
            self.send({"kind": "card", "number": number, "card": self._card(number)})
        if kind == "photo" and 0 <= number < len(self._rows):
            self.send({"kind": "photo", "number": number}, [self._photo(number)])
        if kind == "day" and self._days is not None and 0 <= number < len(self._days):
            self.send({"kind": "day", "number": number}, [self._days.codes(number, self._rows).tobytes()])

    def _photo(self, number: int) -> bytes:
        """Return a small WebP of a listing's cover, by its number on the map; empty if it has no readable cover."""
        market = self.run.market
        cover = market.cover.get(str(market.listings[C.LISTING].iat[int(self._rows[number])]))
        small = thumbnail(market.path, cover) if cover else None
        return small.read_bytes() if small else b""

    def _card(self, number: int) -> dict[str, Any]:
        """Return the card of a listing, by its number on the map."""
        market = self.run.market
        name = str(market.listings[C.LISTING].iat[int(self._rows[number])])
        photo, group = Photo(market, name), int(self._cluster[number])
        table = describe_listings(self.run, pd.DataFrame({C.LISTING: [name], "score": [0.0]}))
        return {
            "title": photo.title, "photo": photo.data(), "alt": f"Cover photo of {photo.title}", "href": "", "count": 0,
            "facts": facts_of(table, 0), "step": self._names[group] if group >= 0 else "",
        }  # fmt: skip
