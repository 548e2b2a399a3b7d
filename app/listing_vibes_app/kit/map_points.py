"""The drawn maps of a run: places, groups and colours of all listings of a space, and the addresses of each."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from urllib.parse import quote

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.map.cluster_looks import coded_map
from listing_vibes.insight.map.cluster_names import (
    Coded,
    Portrait,
    coded_among,
    most_typical,
    portraits,
)
from listing_vibes.insight.map.region import grid_places
from listing_vibes.insight.map.tones import COLUMNS
from listing_vibes.insight.map.tones import LABEL as TONES
from listing_vibes.insight.map.vibe_map import map_file, place_among, read_map
from listing_vibes.market.columns import Columns as C
from listing_vibes_app.kit.palettes import Colouring, colouring
from listing_vibes_app.server.photo_search import look_search
from listing_vibes_app.server.photos import base_path
from listing_vibes_app.server.runs import OpenRun


@dataclass(frozen=True, eq=False)
class SpaceMap:
    """The n listings of one space on its map."""

    opened: OpenRun
    space: str
    rows: np.ndarray  # (n,) int64, rows of the market
    places: np.ndarray  # (n, 2) uint16, on the grid of `listing_vibes.insight.map.region`
    cluster: np.ndarray  # (n,) int16, -1 between clusters
    tones: pd.DataFrame  # n rows, see `listing_vibes.insight.map.tones`
    _colours: dict[str, Colouring] = field(default_factory=dict, repr=False)
    _typical: dict[tuple[int, int], list[int]] = field(default_factory=dict, repr=False)

    @property
    def clusters(self) -> int:
        """How many clusters there are; the largest is number 0."""
        return int(self.cluster.max(initial=-1)) + 1

    @cached_property
    def sizes(self) -> np.ndarray:
        """(clusters,) how many listings each has."""
        return np.bincount(self.cluster[self.cluster >= 0], minlength=self.clusters)

    @property
    def groups(self) -> list[int]:
        """Numbers of the clusters that have a listing; all of one may have left the market since the map was drawn."""
        return np.flatnonzero(self.sizes).tolist()

    @cached_property
    def coded(self) -> list[Coded]:
        """The values of all attributes, and what is seen in photos where these were looked at, as numbers."""
        search = look_search(self.opened)
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
        """The place (2,) and the group of a listing of the run, by its row there; None where the map does not have it."""
        at = np.flatnonzero(self.run_rows == row)
        return (self.places[at[0]].astype(float), int(self.cluster[at[0]])) if len(at) else None

    def landing(self, vector: np.ndarray) -> tuple[np.ndarray, int]:
        """The place (2,) and the group of a listing that is not on the map, by its `vector` (d,); nothing else moves."""
        alike = (self.opened.run.vectors(self.space) @ vector)[self.run_rows]  # (n,)
        return place_among(alike, self.places.astype(float), self.cluster)

    def typical(self, number: int, k: int) -> list[int]:
        """Rows of the market of a cluster's most typical listings."""
        if (number, k) not in self._typical:
            members = np.flatnonzero(self.cluster == number)
            vectors = self.opened.run.vectors(self.space)[self.run_rows[members]]  # (m, d)
            typical = most_typical(vectors, k) if len(members) else members
            self._typical[number, k] = self.rows[members[typical]].tolist()
        return self._typical[number, k]

    def colours(self, by: str) -> Colouring:
        """The colours by an attribute, by `clusters`, or by one of the counts."""
        if by not in self._colours:
            self._colours[by] = colouring(
                self.opened.view, self.rows, self.cluster, by, lambda: self.portraits
            )
        return self._colours[by]

    def among(self, kept: np.ndarray) -> "SpaceMap":
        """The same map with those listings alone where `kept` (n,) bool holds."""
        found = replace(
            self,
            rows=self.rows[kept],
            places=self.places[kept],
            cluster=self.cluster[kept],
            tones=self.tones[kept].reset_index(drop=True),
            _colours={},
            _typical={},
        )
        # A cached property: what is known of the values is not looked up again.
        found.__dict__["coded"] = coded_among(self.coded, kept)
        found.__dict__["portraits"] = self.portraits  # a group keeps its name from day to day
        return found

    def points(self) -> bytes:
        """x and y of each listing, then its cluster: uint16 and int16, little endian."""
        return self.places.astype("<u2").tobytes() + self.cluster.astype("<i2").tobytes()


def stamp(opened: OpenRun) -> str:
    """Changes whenever the map, the embeddings or the market do."""
    times = "-".join(
        f"{path.stat().st_mtime_ns:x}"
        for path in (map_file(opened.run), opened.run.made / "listings.safetensors")
    )
    return f"{times}-{opened.view.market.fingerprint[:8]}"


def load_maps(opened: OpenRun) -> dict[str, SpaceMap] | None:
    """The maps of a run by space; None where they are not drawn yet, or were drawn of other embeddings.

    Raises:
        VibesError: the file is damaged.
    """
    return _load(str(map_file(opened.run)), stamp(opened), opened) if map_file(opened.run).is_file() else None


@st.cache_resource(show_spinner=False, max_entries=8)
def _load(
    path: str, key: str, _opened: OpenRun
) -> dict[str, SpaceMap] | None:  # the key changes with the files
    frame = read_map(_opened.run)
    if frame is None:
        return None
    found = {}
    for space in _opened.run.spaces:
        mine = frame[frame["space"] == space]
        rows = mine[C.LISTING].astype(str).map(_opened.view.market.listing_row)
        known = rows.notna().to_numpy() & mine[C.LISTING].isin(_opened.run.listing_row).to_numpy()
        if known.any():
            mine = mine[known]
            found[space] = SpaceMap(
                opened=_opened,
                space=space,
                rows=rows[known].to_numpy(np.int64),
                places=grid_places(mine[["x", "y"]].to_numpy()),
                cluster=mine["cluster"].to_numpy(np.int16),
                tones=mine.reindex(columns=list(COLUMNS)).reset_index(drop=True),
            )
    return found


def address(opened: OpenRun, *parts: str, **query: str) -> str:
    """Address of something of the map."""
    where = "/".join(quote(part, safe="") for part in (opened.name, *parts))
    told = "&".join(
        f"{name}={quote(value, safe='')}" for name, value in {**query, "v": stamp(opened)}.items()
    )
    return f"{base_path()}/points/{where}?{told}"


def export_frame(one: SpaceMap, chosen: np.ndarray) -> pd.DataFrame:
    """The `chosen` (n,) bool listings: id, place on the map, name of the cluster, and the market's own columns."""
    rows = one.rows[chosen]
    names = [portrait.name for portrait in one.portraits] if one.clusters else []
    listings = one.opened.view.market.listings.iloc[rows].reset_index(drop=True)
    head = pd.DataFrame(
        {
            C.LISTING: listings[C.LISTING],
            "map_x": one.places[chosen, 0],
            "map_y": one.places[chosen, 1],
            "group": [names[number] if number >= 0 else None for number in one.cluster[chosen]],
        }
    )
    return pd.concat([head, listings.drop(columns=C.LISTING)], axis=1)
