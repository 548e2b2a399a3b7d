"""Colours of the map: by group, by a value, or by the fifths of a number; one code a listing, and the legend."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from listing_vibes.insight.map.cluster_names import Portrait
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Attribute
from listing_vibes.widgets.colours import UNKNOWN, Colouring, by_value
from listing_vibes_app.view import formats
from listing_vibes_app.view.market import MarketView

CLUSTERS, PHOTOS, EVENTS = "clusters", "photos", "events"
FIFTHS = 5
#: From the lowest fifth to the highest: away from the ground, so that high values stand out; then two greys.
SCALE = {
    "light": [
        "#4a90d9",
        "#3f6fc0",
        "#5b46a8",
        "#7d2183",
        "#5c0a3c",
        "#858f94",
        "#858f94",
        "#858f94",
        "#a08676",
    ],
    "dark": [
        "#4878b0",
        "#4a96b8",
        "#4fbfa5",
        "#9ed77a",
        "#f4ec6a",
        "#7d888d",
        "#7d888d",
        "#7d888d",
        "#9a8172",
    ],
}


def own(view: MarketView, name: str) -> str:
    """The key of `CLUSTERS`, `PHOTOS` or `EVENTS`: its name, behind a # where the market has an attribute of that name."""
    taken = {item.name for item in view.attributes}
    while name in taken:
        name = f"#{name}"
    return name


def choices(view: MarketView) -> dict[str, str]:
    """What the map can be coloured by: key and label, the groups first."""
    found = {own(view, CLUSTERS): "Groups"}
    for item in view.attributes:
        if item.shown_as == "multi":
            found[item.name] = f"{item.label}: how many"
        elif item.shown_as == "place":
            found[C.PLACE] = "Distance from the middle"
        elif item.shown_as != "text":
            found[item.name] = item.label
    if view.has_photos:
        found[own(view, PHOTOS)] = "Number of photos"
    if view.has_events:
        found[own(view, EVENTS)] = "Number of events"
    return found


def colouring(
    view: MarketView,
    rows: np.ndarray,
    cluster: np.ndarray,
    by: str,
    portraits: Callable[[], list[Portrait]],
) -> Colouring:
    """Colours of the listings `rows` (n,) by one of `choices`.

    Raises:
        KeyError: `by` is none of them.
    """
    if by == own(view, CLUSTERS):
        names = [one.name for one in portraits()]
        return by_value(cluster.astype(int), names, "Smaller groups", "Between the groups")
    if by == own(view, PHOTOS):
        return _fifths(np.array([float(len(view.photos(int(row)))) for row in rows]), formats.number)
    if by == own(view, EVENTS):
        events = view.log.counts().astype(float)
        return _fifths(events[rows], formats.number)
    item = next(
        (one for one in view.attributes if (C.PLACE if one.shown_as == "place" else one.name) == by), None
    )
    if item is None or item.shown_as == "text":
        raise KeyError(by)
    return _attribute(view, rows, item)


def _attribute(view: MarketView, rows: np.ndarray, item: Attribute) -> Colouring:
    listings = view.market.listings
    match item.shown_as:
        case "place":
            places = listings[[C.LATITUDE, C.LONGITUDE]].to_numpy(float)
            middle = tuple(np.nanmedian(places, axis=0)) if np.isfinite(places).any() else (0.0, 0.0)
            far = [formats.distance_km(tuple(place), middle) for place in places[rows]]
            return _fifths(np.array(far), formats.distance)
        case "number":
            unit, grouped = view.unit(item), not view.is_year(item)
            values = listings[item.name].to_numpy(float, na_value=np.nan)[rows]
            return _fifths(values, lambda value: formats.number(value, unit, grouped))
        case "multi":
            counts = [
                float(len(value)) if isinstance(value, list) else np.nan for value in listings[item.name]
            ]
            return _fifths(np.array(counts)[rows], formats.number)
        case "flag":
            told = listings[item.name].iloc[rows].map({True: "Yes", False: "No"})
        case _:
            told = listings[item.name].iloc[rows]
    often = list(told.value_counts().index)
    codes = pd.Index(often).get_indexer(told) if often else np.full(len(told), -1)
    return by_value(codes, [formats.shorten(view.word(item, name), 40) for name in often], "Other", "Unknown")


def _fifths(values: np.ndarray, told: Callable[[float], str]) -> Colouring:
    """Five ranges with about as many listings each; a number with few different values has fewer."""
    known = values[np.isfinite(values)]
    codes = np.full(len(values), UNKNOWN, np.uint8)
    legend: list[tuple[str, int, int]] = []
    if len(known):
        tops = np.unique(np.quantile(known, np.arange(1, FIFTHS + 1) / FIFTHS, method="inverted_cdf"))
        place = np.searchsorted(tops, known)  # (k,) 0-based range, values up to its top
        shades = np.rint(np.linspace(0, FIFTHS - 1, len(tops))).astype(np.uint8) if len(tops) > 1 else [2]
        codes[np.isfinite(values)] = np.asarray(shades, np.uint8)[place]
        for number, shade in enumerate(shades):
            mine = known[place == number]
            low, high = told(float(mine.min())), told(float(mine.max()))
            legend.append((low if low == high else f"{low} to {high}", int(shade), len(mine)))
    if len(known) < len(values):
        legend.append(("Unknown", UNKNOWN, len(values) - len(known)))
    return Colouring(codes, legend, scale=True)
