"""The map on the wire: places, groups and colours of all listings as plain bytes, and one listing as a card.

They come from routes of their own, so that a rerun of the page carries none of them and browsers keep what they have.
"""

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.looking import look_search
from app.map_colours import Colouring, colouring
from app.photos import base_path
from app.session import Current, open_run, run_paths
from core.errors import VibesError
from core.insight.map.cluster_looks import coded_looks
from core.insight.map.cluster_names import Coded, Portrait, coded_attributes, most_typical, portraits
from core.insight.map.region import grid_places
from core.insight.map.vibe_map import FILE, read_map
from core.market.columns import Columns as C

_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, eq=False)
class SpaceMap:
    """The n listings of one space on its map."""

    here: Current
    space: str
    rows: np.ndarray  # (n,) int64, rows of the market
    places: np.ndarray  # (n, 2) uint16, on the grid of `core.insight.map.region`
    cluster: np.ndarray  # (n,) int16, -1 between clusters
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

    @cached_property
    def coded(self) -> list[Coded]:
        """The values of all attributes, and what is seen in photos where these were looked at, as numbers."""
        coded, search = coded_attributes(self.here.view.market, self.rows), look_search(self.here)
        if search is not None:
            coded.append(coded_looks(search.looks, self.here.view.market, self.rows))
        return coded

    @cached_property
    def portraits(self) -> list[Portrait]:
        """Name and traits of each cluster."""
        return portraits(self.here.view.market, self.rows, self.cluster.astype(int), coded=self.coded)

    @cached_property
    def _run_rows(self) -> np.ndarray:
        ids, place = self.here.view.ids, self.here.run.listing_row
        return np.array([place[ids[row]] for row in self.rows], np.int64)  # (n,)

    def typical(self, number: int, k: int) -> list[int]:
        """Rows of the market of a cluster's most typical listings."""
        if (number, k) not in self._typical:
            members = np.flatnonzero(self.cluster == number)
            vectors = self.here.run.vectors(self.space)[self._run_rows[members]]  # (m, d)
            self._typical[number, k] = self.rows[members[most_typical(vectors, k)]].tolist()
        return self._typical[number, k]

    def colours(self, by: str) -> Colouring:
        """The colours by an attribute, by `clusters`, or by one of the counts."""
        if by not in self._colours:
            self._colours[by] = colouring(self.here.view, self.rows, self.cluster, by, lambda: self.portraits)
        return self._colours[by]

    def points(self) -> bytes:
        """x and y of each listing, then its cluster: uint16 and int16, little endian."""
        return self.places.astype("<u2").tobytes() + self.cluster.astype("<i2").tobytes()


def map_file(here: Current) -> Path:
    """Where the map of a run lies once it is drawn."""
    return here.run.path / FILE


def stamp(here: Current) -> str:
    """Changes whenever the map, the embeddings or the market do."""
    times = "-".join(
        f"{path.stat().st_mtime_ns:x}" for path in (map_file(here), here.run.path / "listings.npz")
    )
    return f"{times}-{here.view.market.fingerprint[:8]}"


def load_maps(here: Current) -> dict[str, SpaceMap] | None:
    """The maps of a run by space; None where they are not drawn yet, or were drawn of other embeddings.

    Raises:
        VibesError: the file is damaged.
    """
    return _load(str(map_file(here)), stamp(here), here) if map_file(here).is_file() else None


@st.cache_resource(show_spinner=False, max_entries=8)
def _load(
    path: str, key: str, _here: Current
) -> dict[str, SpaceMap] | None:  # the key changes with the files
    frame = read_map(_here.run)
    if frame is None:
        return None
    found = {}
    for space in _here.run.spaces:
        mine = frame[frame["space"] == space]
        rows = mine[C.LISTING].astype(str).map(_here.view.market.listing_row)
        known = rows.notna().to_numpy() & mine[C.LISTING].isin(_here.run.listing_row).to_numpy()
        if known.any():
            mine = mine[known]
            found[space] = SpaceMap(
                here=_here,
                space=space,
                rows=rows[known].to_numpy(np.int64),
                places=grid_places(mine[["x", "y"]].to_numpy()),
                cluster=mine["cluster"].to_numpy(np.int16),
            )
    return found


def address(here: Current, *parts: str, **query: str) -> str:
    """Address of something of the map."""
    where = "/".join(quote(part, safe="") for part in (here.name, *parts))
    told = "&".join(f"{name}={quote(value, safe='')}" for name, value in {**query, "v": stamp(here)}.items())
    return f"{base_path()}/points/{where}?{told}"


def _opened(request: Request) -> Current | None:
    name = request.path_params["run"]
    path = run_paths().get(name)
    if path is None:
        return None
    opened = open_run(path)
    return Current(name, opened.run, opened.view, opened.box)


def _nothing(why: str = "There is no such map.") -> Response:
    return Response(why, status_code=404, media_type="text/plain")


def serve_space(request: Request) -> Response:
    """The places, or the colours by one attribute, of all listings of a space."""
    try:
        here = _opened(request)
        maps = load_maps(here) if here is not None else None
        one = (maps or {}).get(request.path_params["space"])
        if one is None:
            return _nothing()
        if request.path_params["what"] == "places":
            content = one.points()
        else:
            by = request.query_params.get("by", "")
            content = one.colours(by).codes.tobytes()
    except (VibesError, KeyError) as error:
        return _nothing(str(error))
    return Response(content, media_type="application/octet-stream", headers=_FOREVER)


def serve_listing(request: Request) -> Response:
    """One listing as a card of the gallery, by its number on the map of a space."""
    from app.widgets.cards import listing_card

    try:
        here = _opened(request)
        maps = load_maps(here) if here is not None else None
        one = (maps or {}).get(request.path_params["space"])
        if here is None or one is None or request.path_params["number"] >= len(one.rows):
            return _nothing("There is no such listing.")
        number = request.path_params["number"]
        space = None if one.space == here.run.spaces[0] else one.space
        card = asdict(listing_card(here, int(one.rows[number]), params={"space": space}))
        if one.cluster[number] >= 0:
            card["step"] = one.portraits[one.cluster[number]].name
    except VibesError as error:
        return _nothing(str(error))
    return Response(json.dumps(card), media_type="application/json", headers=_FOREVER)


def routes() -> list[Route]:
    """The routes of the map."""
    base = f"{base_path()}/points/{{run}}/{{space}}"
    return [
        Route(f"{base}/listing/{{number:int}}", serve_listing),
        Route(f"{base}/{{what}}", serve_space),
    ]


def export_frame(one: SpaceMap, chosen: np.ndarray) -> pd.DataFrame:
    """The `chosen` (n,) bool listings: id, place on the map, name of the cluster, and the market's own columns."""
    rows = one.rows[chosen]
    names = [portrait.name for portrait in one.portraits] if one.clusters else []
    listings = one.here.view.market.listings.iloc[rows].reset_index(drop=True)
    head = pd.DataFrame(
        {
            C.LISTING: listings[C.LISTING],
            "map_x": one.places[chosen, 0],
            "map_y": one.places[chosen, 1],
            "group": [names[number] if number >= 0 else None for number in one.cluster[chosen]],
        }
    )
    return pd.concat([head, listings.drop(columns=C.LISTING)], axis=1)
