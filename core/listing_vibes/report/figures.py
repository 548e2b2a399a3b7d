"""The figures and photos of slides and notebook widgets; `templates/figures.html` draws them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from PIL import Image

from listing_vibes.insight.map.region import SIZE
from listing_vibes.insight.map.space_map import SpaceMap
from listing_vibes.market.market import Market
from listing_vibes.market.thumbnails import data_address, thumbnail
from listing_vibes.market.titles import title_of
from listing_vibes.market.values import sample_rows
from listing_vibes.words import count

SPACES = {"model": "the trained model", "photos": "photos", "attributes": "attributes"}
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)  # candidate distances of two ticks of an axis
TICKS = 5  # maximum, in addition to 0
#: Colors of the map's groups, readable on a light and a dark background.
GROUPS = ("#1f86c7", "#cf6a1e", "#1b9e77", "#a66bc4", "#9a7b12", "#d6478b", "#6f7d84")
DOTS = 4000  # maximum number of dots of a map
SMALL = 320  # pixels of the longer side of a photo
BOX = 4 / 3  # shape of a box without photos


@dataclass(frozen=True)
class Row:
    """One row of a figure with intervals; `kind` is a class of the style sheet."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: str = "other"
    note: str = ""


@dataclass(frozen=True)
class Rows:
    """A mark, or a bar, and its 95 % interval for each row, on one axis from 0."""

    rows: Sequence[Row]
    caption: str
    as_bars: bool = False

    @property
    def ticks(self) -> list[float]:
        """Return the positions of the axis' lines, from 0 to its end."""
        top = max((row.value if row.high is None else row.high for row in self.rows), default=0) or 1
        step = next((size for size in STEPS if top / size <= TICKS), STEPS[-1])
        end = np.ceil(top / step - 1e-9) * step
        return [float(tick) for tick in np.arange(0, end + step / 2, step)]

    def at(self, value: float) -> str:
        """Return the position of a value as a percentage of the axis' length."""
        return f"{100 * value / self.ticks[-1]:.2f}%"


@dataclass(frozen=True)
class Map:
    """Listings as dots, with one color per group."""

    places: np.ndarray  # (n, 2) on the grid 0..1000
    cluster: np.ndarray  # (n,) the group of each, -1 for none
    groups: Sequence[tuple[str, int]]  # name and size of each group, the largest first
    caption: str

    @property
    def box(self) -> str:
        """Return the part of the picture with dots, as an SVG viewBox."""
        x, y = self.places[:, 0], 1000 - self.places[:, 1]
        return f"{x.min() - 20} {y.min() - 20} {np.ptp(x) + 40} {np.ptp(y) + 40}"

    @property
    def dots(self) -> list[tuple[str, str]]:
        """Return color and SVG path of each group's dots; dots without a group are drawn first."""
        drawn = []
        for number in [-1, *range(len(self.groups))]:
            color = "var(--line)" if number < 0 else GROUPS[min(number, len(GROUPS) - 1)]
            path = "".join(f"M{x} {1000 - y}h0" for x, y in self.places[self.cluster == number])
            if path:
                drawn.append((color, path))
        return drawn

    @property
    def numbers(self) -> list[tuple[int, str, str]]:
        """Return the legend's number of each group with dots, and the center of its dots."""
        middles = []
        for number in range(min(len(self.groups), len(GROUPS))):
            places = self.places[self.cluster == number]
            if len(places):
                x, y = np.median(places, axis=0)
                middles.append((number + 1, f"{x:.0f}", f"{1000 - y:.0f}"))
        return middles

    @property
    def legend(self) -> list[tuple[str, int, str]]:
        """Return name, size and color of the groups that have a color."""
        return [(*group, color) for group, color in zip(self.groups, GROUPS, strict=False)]


def map_figure(drawn: SpaceMap, cluster: np.ndarray, names: Sequence[str]) -> Map:
    """Return a figure of a map whose listings are in the groups `cluster` (n,) with these names, -1 for none.

    It has at most `DOTS` dots, so that a document stays small.
    """
    groups = [(name, int((cluster == number).sum())) for number, name in enumerate(names)]
    label = SPACES.get(drawn.space, drawn.space)
    caption = f"{count(len(drawn.rows), 'listing')} by {label}; similar listings are close to each other."
    chosen = sample_rows(len(cluster), DOTS)
    return Map(drawn.places[chosen].astype(int) * 1000 // SIZE, cluster[chosen].astype(int), groups, caption)


@dataclass(frozen=True)
class Photo:
    """A listing as a photo with a title and a line; `is_hit` marks what a user opened next."""

    market: Market
    listing: str
    line: str = ""
    is_hit: bool = False

    @property
    def title(self) -> str:
        """Return the name of the listing."""
        return title_of(self.market, self.listing)

    @property
    def has_cover(self) -> bool:
        """Return whether the market has a cover of the listing."""
        return self.listing in self.market.cover

    def data(self, size: int = SMALL) -> str | None:
        """Return the cover, at most `size` pixels a side, as a data URL; None if there is no readable cover."""
        small = self._thumbnail(size)
        return None if small is None else data_address(small.read_bytes())

    @property
    def shape(self) -> float:
        """Return the width of the cover divided by its height; that of `BOX` if there is no readable cover."""
        small = self._thumbnail(SMALL)
        if small is None:
            return BOX
        with Image.open(small) as image:
            return float(image.width / image.height)

    def _thumbnail(self, size: int) -> Path | None:
        cover = self.market.cover.get(self.listing)
        return None if cover is None else thumbnail(self.market.path, cover, size)


def photos_of(
    market: Market, listings: Sequence[str], lines: Sequence[str] = (), hits: Collection[str] = ()
) -> list[Photo]:
    """Return the listings as photos, each with its line if there are any; `hits` are what a user opened next."""
    return [
        Photo(market, name, line, name in hits)
        for name, line in zip_longest(listings, lines, fillvalue="")
        if name in market.listing_row
    ]
