"""Photos and maps of slides and notebook widgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from listing_vibes.insight.map.region import SIZE
from listing_vibes.insight.map.space_map import load_maps
from listing_vibes.market.market import Market
from listing_vibes.market.thumbnails import data_address, thumbnail
from listing_vibes.market.titles import title_of
from listing_vibes.report.figures import Map
from listing_vibes.report.text import SPACES
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

DOTS = 4000  # maximum number of dots of the map
SMALL = 320  # pixels of the longer side of a photo
BOX, FILLS = (
    4 / 3,
    1.33,
)  # shape of a box without photos; factor up to which a photo of another shape fills its box
SEED = 0


@dataclass(frozen=True)
class Photo:
    """A listing as a photo with a title and a line; `is_hit` marks what a user opened next."""

    market: Market | None  # None: only the id is known
    listing: str
    line: str = ""
    is_hit: bool = False

    @property
    def title(self) -> str:
        """Return the name of the listing."""
        return self.listing if self.market is None else title_of(self.market, self.listing)

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

    def fills(self, box: float) -> bool:
        """Return whether the cover nearly has the shape of a box, so that cropping loses little."""
        return 1 / FILLS < self.shape / box < FILLS

    def _thumbnail(self, size: int) -> Path | None:
        cover = None if self.market is None else self.market.cover.get(self.listing)
        return None if self.market is None or cover is None else thumbnail(self.market.path, cover, size)


def photos_of(market: Market, listings: Sequence[str], lines: Sequence[str] = ()) -> list[Photo]:
    """Return the listings as photos, each with its line if there are any."""
    return [
        Photo(market, name, lines[at] if at < len(lines) else "")
        for at, name in enumerate(listings)
        if name in market.listing_row
    ]


def listings_map(run: Run, space: str | None = None) -> tuple[Map, np.ndarray, np.ndarray] | None:
    """Return the map of a space (None or one without a map: that of the photos, else another) with all n listings, (n,) their rows
    in the market, and (n, 2) their positions on the grid of `listing_vibes.insight.map.region`; None if no map was drawn.
    """
    maps = load_maps(run)
    if not maps:
        return None
    drawn = next(maps[name] for name in (space, "photos", "model", "attributes", *maps) if name in maps)
    groups = [(name, int((drawn.cluster == number).sum())) for number, name in enumerate(drawn.names)]
    label = SPACES.get(drawn.space, drawn.space)
    caption = f"{count(len(drawn.rows), 'listing')} by {label}; similar listings are close to each other."
    cluster = drawn.cluster.astype(int)
    return Map(drawn.places.astype(int) * 1000 // SIZE, cluster, groups, caption), drawn.rows, drawn.places


def thinned(full: Map) -> Map:
    """Return a map with a sample of the dots, so that a document stays small."""
    if len(full.places) <= DOTS:
        return full
    chosen = np.sort(np.random.default_rng(SEED).choice(len(full.places), DOTS, replace=False))
    return replace(full, places=full.places[chosen], cluster=full.cluster[chosen])
