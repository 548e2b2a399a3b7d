"""What slides and notebook widgets draw of evidence: photos, bars on an axis, and dots; `templates/figures.html` draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from listing_vibes.insight.evidence import Bar, Dots, Group, Strip
from listing_vibes.market.display_names import title_of
from listing_vibes.market.market import Market
from listing_vibes.market.photo_decoding import data_address, thumbnail

STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)  # candidate distances of two ticks of an axis
TICKS = 5  # maximum, in addition to 0
SMALL = 320  # pixels of the longer side of a photo
BOX = 4 / 3  # shape of a box without photos
#: Width and height of the room for photos on a slide, in hundredths of the window's height; a label takes some of it.
ROOM, LABEL = (145.0, 66.0), 5.0


@dataclass(frozen=True)
class Axis:
    """The axis of bars, from 0 on; to 100 % where that is not much longer than the longest bar."""

    bars: Sequence[Bar]

    @property
    def ticks(self) -> list[float]:
        """Return the positions of the axis' lines, from 0 to its end."""
        top = max((bar.value if bar.high is None else bar.high for bar in self.bars), default=0) or 1
        if top > 0.4:
            return [0.0, 0.25, 0.5, 0.75, 1.0]
        step = next((size for size in STEPS if top / size <= TICKS), STEPS[-1])
        end = np.ceil(top / step - 1e-9) * step
        return [float(tick) for tick in np.arange(0, end + step / 2, step)]

    def at(self, value: float) -> str:
        """Return the position of a value as a percentage of the axis' length."""
        return f"{100 * min(value, self.ticks[-1]) / self.ticks[-1]:.2f}%"


@dataclass(frozen=True)
class DotMap:
    """The picture of dots: color number, path, and the place of each group's number."""

    dots: Dots

    @property
    def box(self) -> str:
        """Return the part of the picture with dots, as an SVG viewBox."""
        x, y = np.array(self.dots.x), 1000 - np.array(self.dots.y)
        return f"{x.min() - 20} {y.min() - 20} {np.ptp(x) + 40} {np.ptp(y) + 40}"

    @property
    def paths(self) -> list[tuple[int, str]]:
        """Return number and SVG path of each group's dots; dots without a group (-1) are drawn first."""
        drawn, group = [], np.array(self.dots.group)
        for number in range(-1, len(self.dots.groups)):
            at = np.flatnonzero(group == number)
            if len(at):
                drawn.append((number, "".join(f"M{self.dots.x[i]} {1000 - self.dots.y[i]}h0" for i in at)))
        return drawn

    @property
    def numbers(self) -> list[tuple[int, int, int]]:
        """Return the number of each group with dots, and the place of the dot nearest to the middle of its dots."""
        places, group, result = np.column_stack([self.dots.x, self.dots.y]), np.array(self.dots.group), []
        for number in range(len(self.dots.groups)):
            own = places[group == number]
            if len(own):
                x, y = own[np.abs(own - np.median(own, axis=0)).sum(axis=1).argmin()]
                result.append((number, int(x), 1000 - int(y)))
        return result

    @property
    def legend(self) -> list[tuple[int, Group]]:
        """Return number and group of the groups with dots."""
        drawn = {number for number, _ in self.paths}
        return [(number, group) for number, group in enumerate(self.dots.groups) if number in drawn]


@dataclass(frozen=True)
class Photo:
    """A listing as a photo with a title."""

    market: Market
    listing: str

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


def fitting_columns(strips: Sequence[Strip], width: float, height: float, ratio: float) -> list[int]:
    """Return how many photos of `ratio` (width by height) stand in a row of each strip, so that all strips, one below the other, fit into
    a room and their photos are as large as can be.
    """

    def size(wide: int) -> float:
        rows = sum(
            -(-len(strip.listings) // min(wide, len(strip.listings))) for strip in strips if strip.listings
        )
        room = height - sum(LABEL for strip in strips if strip.label)
        return min(width / wide, room / max(rows, 1) * ratio)

    most = max((len(strip.listings) for strip in strips), default=1)
    wide = max(range(1, max(most, 1) + 1), key=size)
    return [max(1, min(wide, len(strip.listings))) for strip in strips]
