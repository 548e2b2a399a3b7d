"""The report's figures of photos: the vibe map, and a few listings with their nearest neighbors by photos."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from listing_vibes.insight.map.cluster_looks import coded_map
from listing_vibes.insight.map.cluster_names import portraits
from listing_vibes.insight.map.region import SIZE, grid_places
from listing_vibes.insight.map.tones import COLUMNS, LABEL
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.search.photo_search import PhotoSearch
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.thumbnails import data_address, thumbnail
from listing_vibes.market.titles import title_of
from listing_vibes.report.figures import Map
from listing_vibes.report.text import SPACES
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

EXAMPLES, NEIGHBOURS = 3, 5
DOTS = 4000  # maximum number of dots of the map
PHOTO = 300  # pixels of the longer side
SEED = 0


@dataclass(frozen=True)
class Photo:
    """A listing in a grid; `data` is its cover as a data URL, None if there is no readable cover."""

    data: str | None
    title: str
    line: str


def vibe_map(run: Run) -> Map | None:
    """Return the map of the photos, else of another space; None if it was not drawn."""
    result = listings_map(run)
    return None if result is None else thinned(result[0])


def listings_map(run: Run, space: str | None = None) -> tuple[Map, np.ndarray, np.ndarray] | None:
    """Return the map of a space (None or one without a map: that of the photos, else another) with all n listings, (n,) their rows
    in the market, and (n, 2) their positions on the grid of `listing_vibes.insight.map.region`; None if no map was drawn.
    """
    frame = read_map(run)
    if frame is None:
        return None
    order = (space, "photos", "model", "attributes")
    space = next((name for name in order if name in set(frame["space"])), None)
    mine = frame[frame["space"] == space]
    mine = mine[mine[C.LISTING].isin(run.market.listing_row)]
    if not len(mine):
        return None
    cluster = mine["cluster"].to_numpy(int)
    rows = mine[C.LISTING].map(run.market.listing_row).to_numpy(int)
    search = PhotoSearch.open(run)
    looks = None if search is None else search.looks
    coded = coded_map(run.market, rows, mine.reindex(columns=list(COLUMNS)), looks)
    given = portraits(run.market, rows, cluster, coded=coded, leading=(LABEL,) if space == "photos" else ())
    groups = [(item.name, int((cluster == number).sum())) for number, item in enumerate(given)]
    places = grid_places(mine[["x", "y"]].to_numpy())
    caption = f"{count(len(mine), 'listing')} by {SPACES.get(str(space), space)}; similar listings are close to each other."
    return Map(places.astype(int) * 1000 // SIZE, cluster, groups, caption), rows, places


def thinned(full: Map) -> Map:
    """Return a map with a sample of the dots, so that a document stays small."""
    if len(full.places) <= DOTS:
        return full
    chosen = np.sort(np.random.default_rng(SEED).choice(len(full.places), DOTS, replace=False))
    return replace(full, places=full.places[chosen], cluster=full.cluster[chosen])


def photo_grids(run: Run) -> list[list[Photo]]:
    """Return a few listings, each with its nearest neighbors by photos; empty if there are too few with a cover."""
    market = run.market
    if "photos" not in run.spaces or not market.cover:
        return []
    available = [
        name
        for row, name in enumerate(run.listing_ids)
        if run.index("photos").known[row] and name in market.cover
    ]
    if len(available) <= NEIGHBOURS:
        return []
    query = np.random.default_rng(SEED).choice(len(available), min(EXAMPLES, len(available)), replace=False)
    grids = []
    for listing in (available[number] for number in query):
        result = run.similar(listing, k=NEIGHBOURS, space="photos")
        neighbors = zip(result[C.LISTING], result["score"], strict=True)
        grids.append(
            [
                photo_of(market, listing, "the listing"),
                *(photo_of(market, name, f"similarity {score:.2f}") for name, score in neighbors),
            ]
        )
    return grids


def photo_of(market: Market, listing: str, line: str) -> Photo:
    """Return a listing's cover with a caption."""
    cover = market.cover.get(listing)
    return Photo(photo_data(market, cover) if cover else None, title_of(market, listing), line)


def photo_data(market: Market, path: str) -> str | None:
    """Return a small photo as a data URL; None if it cannot be read."""
    small = thumbnail(market.path, path)
    if small is None:
        return None
    with Image.open(small) as image:
        image.thumbnail((PHOTO, PHOTO))
        stream = io.BytesIO()
        image.convert("RGB").save(stream, "WEBP", quality=72)
    return data_address(stream.getvalue())
