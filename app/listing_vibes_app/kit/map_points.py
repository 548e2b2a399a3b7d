"""The maps of a run: positions, groups and colors of all listings of a space, and their URLs."""

from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.map.cluster_looks import coded_map
from listing_vibes.insight.map.cluster_names import Coded, Portrait, most_typical, portraits
from listing_vibes.insight.map.region import grid_places
from listing_vibes.insight.map.tones import COLUMNS
from listing_vibes.insight.map.tones import LABEL as TONES
from listing_vibes.insight.map.vibe_map import map_file, place_among, read_map
from listing_vibes.market.columns import Columns as C
from listing_vibes_app.kit.palettes import Coloring, coloring
from listing_vibes_app.server.photo_search import photo_search
from listing_vibes_app.server.photos import base_path
from listing_vibes_app.server.runs import OpenRun


@dataclass(frozen=True, eq=False)
class SpaceMap:
    """The n listings of a space on its map."""

    opened: OpenRun
    space: str
    rows: np.ndarray  # (n,) int64, rows of the market
    places: np.ndarray  # (n, 2) uint16, on the grid of `listing_vibes.insight.map.region`
    cluster: np.ndarray  # (n,) int16, -1 between clusters
    tones: pd.DataFrame  # n rows, see `listing_vibes.insight.map.tones`
    _colors: dict[str, Coloring] = field(default_factory=dict, repr=False)

    @property
    def clusters(self) -> int:
        """Number of clusters, from the largest (0) on."""
        return int(self.cluster.max(initial=-1)) + 1

    @cached_property
    def sizes(self) -> np.ndarray:
        """(clusters,) number of listings in each."""
        return np.bincount(self.cluster[self.cluster >= 0], minlength=self.clusters)

    @property
    def groups(self) -> list[int]:
        """Numbers of the clusters that have a listing; a cluster is empty if all its listings left the market."""
        return np.flatnonzero(self.sizes).tolist()

    @cached_property
    def coded(self) -> list[Coded]:
        """The values of all attributes as numbers, and the photo classes if the photos were classified."""
        search = photo_search(self.opened)
        looks = None if search is None else search.looks
        return coded_map(self.opened.view.market, self.rows, self.tones, looks)

    @cached_property
    def portraits(self) -> list[Portrait]:
        """Name and traits of each cluster."""
        leading = (TONES,) if self.space == "photos" else ()
        groups = self.cluster.astype(int)
        return portraits(self.opened.view.market, self.rows, groups, coded=self.coded, leading=leading)

    @cached_property
    def run_rows(self) -> np.ndarray:
        """(n,) rows of the run."""
        ids, place = self.opened.view.ids, self.opened.run.listing_row
        return np.array([place[ids[row]] for row in self.rows], np.int64)  # (n,)

    def standing(self, row: int) -> tuple[np.ndarray, int] | None:
        """Return the position (2,) and the group of a listing by its row in the run; None if it is not on the map."""
        at = np.flatnonzero(self.run_rows == row)
        return (self.places[at[0]].astype(float), int(self.cluster[at[0]])) if len(at) else None

    def landing(self, vector: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the position (2,) and the group of a listing that is not on the map, from its `vector` (d,)."""
        alike = (self.opened.run.vectors(self.space) @ vector)[self.run_rows]  # (n,)
        return place_among(alike, self.places.astype(float), self.cluster)

    def typical(self, number: int, k: int) -> list[int]:
        """Return rows of the market of a cluster's most typical listings."""
        members = np.flatnonzero(self.cluster == number)
        vectors = self.opened.run.vectors(self.space)[self.run_rows[members]]  # (m, d)
        return self.rows[members[most_typical(vectors, k)]].tolist() if len(members) else []

    def colors(self, by: str) -> Coloring:
        """Return the colors by an attribute, by `clusters`, or by one of the counts."""
        if by not in self._colors:
            view = self.opened.view
            self._colors[by] = coloring(view, self.rows, self.cluster, by, lambda: self.portraits)
        return self._colors[by]

    def points(self) -> bytes:
        """Return x and y of each listing, then its cluster: uint16 and int16, little endian."""
        return self.places.astype("<u2").tobytes() + self.cluster.astype("<i2").tobytes()


def stamp(opened: OpenRun) -> str:
    """Return a text that changes with the map, the embeddings or the market."""
    files = (map_file(opened.run), opened.run.made / "listings.safetensors")
    times = "-".join(f"{path.stat().st_mtime_ns:x}" for path in files)
    return f"{times}-{opened.view.market.fingerprint[:8]}"


def load_maps(opened: OpenRun) -> dict[str, SpaceMap] | None:
    """Return the maps of a run by space; None if they are missing or computed from other embeddings.

    Raises:
        VibesError: the file is damaged.
    """
    return _load(str(map_file(opened.run)), stamp(opened), opened) if map_file(opened.run).is_file() else None


@st.cache_resource(show_spinner=False, max_entries=8)
def _load(path: str, key: str, _opened: OpenRun) -> dict[str, SpaceMap] | None:
    # The key changes with the files.
    frame = read_map(_opened.run)
    if frame is None:
        return None
    values = {}
    for space in _opened.run.spaces:
        mine = frame[frame["space"] == space]
        rows = mine[C.LISTING].astype(str).map(_opened.view.market.listing_row)
        available = rows.notna().to_numpy() & mine[C.LISTING].isin(_opened.run.listing_row).to_numpy()
        if available.any():
            mine = mine[available]
            values[space] = SpaceMap(
                opened=_opened,
                space=space,
                rows=rows[available].to_numpy(np.int64),
                places=grid_places(mine[["x", "y"]].to_numpy()),
                cluster=mine["cluster"].to_numpy(np.int16),
                tones=mine.reindex(columns=list(COLUMNS)).reset_index(drop=True),
            )
    return values


def map_url(opened: OpenRun, *parts: str, **query: str) -> str:
    """Return the URL of a part of the map; the browser replaces `{name}` in it."""
    path = "/".join(quote(part, safe="{}") for part in (opened.name, *parts))
    params = "&".join(
        f"{name}={quote(value, safe='')}" for name, value in {**query, "v": stamp(opened)}.items()
    )
    return f"{base_path()}/points/{path}?{params}"


def export_frame(drawn: SpaceMap, chosen: np.ndarray) -> pd.DataFrame:
    """Return the `chosen` (n,) bool listings: id, position on the map, name of the cluster, and the market's own columns."""
    names = [portrait.name for portrait in drawn.portraits] if drawn.clusters else []
    listings = drawn.opened.view.market.listings.iloc[drawn.rows[chosen]].reset_index(drop=True)
    head = pd.DataFrame(
        {
            C.LISTING: listings[C.LISTING],
            "map_x": drawn.places[chosen, 0],
            "map_y": drawn.places[chosen, 1],
            "group": [names[number] if number >= 0 else None for number in drawn.cluster[chosen]],
        }
    )
    return pd.concat([head, listings.drop(columns=C.LISTING)], axis=1)
