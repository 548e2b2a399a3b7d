"""Colors of the map by group, by value, or by the quintiles of a number: one code per listing, and the legend."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from listing_vibes.cache import cached_per_object
from listing_vibes.insight.map.colors import OTHER, UNKNOWN, VALUES, Coloring, by_value
from listing_vibes.insight.map.facets import number_parts
from listing_vibes.insight.market_view import MarketView
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.conditions import great_circle
from listing_vibes_app.view import formats

CLUSTERS, PHOTOS, EVENTS = "#clusters", "#photos", "#events"  # choices that are not attributes
FIFTHS = 5
#: From the lowest quintile to the highest, with more contrast to the background for higher values; then grays.
SCALE = {
    "light": ["#4a90d9", "#3f6fc0", "#5b46a8", "#7d2183", "#5c0a3c", *VALUES["light"][FIFTHS:]],
    "dark": ["#4878b0", "#4a96b8", "#4fbfa5", "#9ed77a", "#f4ec6a", *VALUES["dark"][FIFTHS:]],
}


def choices(view: MarketView) -> dict[str, str]:
    """Return the label of each way to color the map, the groups first."""
    labels = {"multi": "{}: how many", "place": "Distance from the middle"}
    values = {CLUSTERS: "Groups"}
    for name, (item, value, _) in _colored(view).items():
        label = labels.get(item.shown_as, "{}").format(item.label)
        values[name] = f"{label}, {formats.shorten(value, 40)}" if value else label
    if view.has_photos:
        values[PHOTOS] = "Number of photos"
    if view.has_events:
        values[EVENTS] = "Number of events"
    return values


@cached_per_object
def _colored(view: MarketView) -> dict[str, tuple[Attribute, str, np.ndarray]]:
    """Return the attributes that can color the map by their names in `choices`, each with the value of the category that separates its
    numbers and the listings (L,) bool that have it, else with "" and all listings.

    Rents and sales have no common scale, so their prices are `price@rent` and `price@sale`.
    """
    result, every = {}, np.arange(len(view.market.listings))
    for item in view.attributes:
        parts = number_parts(view.market, item, every) if item.shown_as == "number" else []
        for _, value, is_part in parts:
            result[f"{item.name}@{value}"] = item, value, is_part
        if not parts and item.shown_as != "text":
            result[C.PLACE if item.shown_as == "place" else item.name] = item, "", every >= 0
    return result


def coloring(view: MarketView, rows: np.ndarray, cluster: np.ndarray, by: str) -> Coloring:
    """Return the colors of the listings `rows` (n,) by one of `choices`; groups (n,) are numbered in the legend.

    Raises:
        KeyError: `by` is not one of them.
    """
    listings = view.market.listings
    if by == CLUSTERS:
        names = [str(number) for number in range(int(cluster.max(initial=-1)) + 1)]
        return by_value(cluster.astype(int), names, "Smaller groups", "Between the groups")
    if by == PHOTOS:
        return _fifths(np.array([len(view.photos(int(row))) for row in rows], float), formats.number)
    if by == EVENTS:
        return _fifths(view.log.counts().astype(float)[rows], formats.number)
    item, _, is_part = _colored(view)[by]
    if item.shown_as == "place":
        places = listings[[C.LATITUDE, C.LONGITUDE]].to_numpy(float)
        middle = np.nanmedian(places, axis=0) if np.isfinite(places).any() else (0.0, 0.0)
        return _fifths(great_circle(places[rows], middle), formats.distance)
    values = listings[item.name].iloc[rows]
    if item.shown_as == "number":
        amounts = values.to_numpy(float, na_value=np.nan)
        return _fifths(amounts, lambda value: view.write(item, value), ~is_part[rows])
    if item.shown_as == "multi":
        return _fifths(values.str.len().to_numpy(float), formats.number)
    if item.shown_as == "flag":
        values = values.map({True: "Yes", False: "No"})
    often = list(values.value_counts().index)
    codes = pd.Index(often).get_indexer(values) if often else np.full(len(values), -1)
    names = [formats.shorten(view.word(item, name), 40) for name in often]
    return by_value(codes, names, "Other", "Unknown")


def _fifths(
    values: np.ndarray, write: Callable[[float], str], is_other: np.ndarray | None = None
) -> Coloring:
    """Color a number by quintiles; one with few distinct values has fewer ranges. Listings that `is_other` (n,) marks are gray."""
    is_other = np.zeros(len(values), bool) if is_other is None else is_other
    values, others = np.where(is_other, np.nan, values), int(is_other.sum())
    existing = values[np.isfinite(values)]
    codes = np.full(len(values), UNKNOWN, np.uint8)
    legend: list[tuple[str, int, int]] = []
    if len(existing):
        tops = np.unique(np.quantile(existing, np.arange(1, FIFTHS + 1) / FIFTHS, method="inverted_cdf"))
        number = np.searchsorted(tops, existing)  # (k,) range of each value, including the upper end
        shades = np.rint(np.linspace(0, FIFTHS - 1, len(tops))).astype(np.uint8) if len(tops) > 1 else [2]
        codes[np.isfinite(values)] = np.asarray(shades, np.uint8)[number]
        for place, shade in enumerate(shades):
            mine = existing[number == place]
            low, high = write(float(mine.min())), write(float(mine.max()))
            legend.append((low if low == high else f"{low} to {high}", int(shade), len(mine)))
    codes[is_other] = OTHER
    if others:
        legend.append(("Other", OTHER, others))
    if len(existing) + others < len(values):
        legend.append(("Unknown", UNKNOWN, len(values) - len(existing) - others))
    return Coloring(codes, legend, scale=True)
