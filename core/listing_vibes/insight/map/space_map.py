"""The maps of a run: where its listings are in each space and, if they have coordinates, on the street map; and selections on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError, printable
from listing_vibes.insight.days import market_days
from listing_vibes.insight.map.cluster_names import (
    ListingValues,
    Portrait,
    attribute_values,
    given_names,
    most_typical,
    portraits,
    save_name,
)
from listing_vibes.insight.map.region import grid_places, inside, read_outline
from listing_vibes.insight.map.tones import COLUMNS, run_tones
from listing_vibes.insight.map.vibe_map import LEAST, coarse_layout, place_among, read_map, with_newcomers
from listing_vibes.insight.photo_search import looks_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import title_of
from listing_vibes.run.conditions import fulfilling
from listing_vibes.run.run import Run
from listing_vibes.words import cut

LOCATION = "location"  # the street map, which is not a space of the run
EDGE, BEYOND = 0.005, 0.05  # share of outlying coordinates, and how far beyond the others these stand
TITLE = 40  # characters of a listing's title as the name of its group


@dataclass(frozen=True, eq=False)
class SpaceMap:
    """The n listings of a space on its map."""

    run: Run
    space: str  # its name; `LOCATION` for the street map
    rows: np.ndarray  # (n,) int64, rows of the run, which are those of its market
    places: np.ndarray  # (n, 2) uint16, on the grid of `listing_vibes.insight.map.region`
    cluster: np.ndarray  # (n,) int16, -1 between clusters
    tones: pd.DataFrame  # n rows, see `listing_vibes.insight.map.tones`
    grouped_by: SpaceMap | None = None  # the map that groups and vectors are of, if not this one

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

    @property
    def ids(self) -> np.ndarray:
        """(n,) listing ids."""
        return np.asarray(np.array(self.run.listing_ids)[self.rows])

    @cached_property
    def values(self) -> ListingValues:
        """The values of all attributes, and the photo classes if the photos were classified."""
        return attribute_values(self.run.market, self.rows, self.tones, looks_of(self.run))

    @cached_property
    def portraits(self) -> list[Portrait]:
        """Name and traits of each cluster, without the names that users gave."""
        if self.grouped_by is not None:
            return self.grouped_by.portraits
        return portraits(self.values, self.cluster.astype(int))

    @cached_property
    def _usual_names(self) -> list[str]:
        """The name of each cluster by its portrait; without one its most typical listing, such as “like Loft by the river”."""
        names: list[str] = []
        for number, portrait in enumerate(self.portraits):
            name = portrait.name
            if not portrait.is_named and number in self.groups:
                name = f"Like {cut(printable(title_of(self.run.market, str(self.ids[self.typical(number, 1)[0]]))), TITLE)}"
            names.append(name if name not in names else f"{name} ({number + 1})")
        return names

    @property
    def names(self) -> list[str]:
        """The name of each cluster: the one that a user gave, else that of its portrait or of its most typical listing."""
        if self.grouped_by is not None:
            return self.grouped_by.names
        given = given_names(self.run, self.space, self.ids, self.cluster)
        return [given.get(number, name) for number, name in enumerate(self._usual_names)]

    def is_named(self, number: int) -> bool:
        """Return whether a cluster has a name of a user or one with strong evidence, else the most typical photo is its label."""
        if self.grouped_by is not None:
            return self.grouped_by.is_named(number)
        return self.portraits[number].is_named or self.names[number] != self._usual_names[number]

    def typical(self, number: int, k: int) -> np.ndarray:
        """Return the numbers on the map of a cluster's `k` most typical listings."""
        members = self.members(number)
        vectors = self.run.vectors(self.vector_space)[self.rows[members]]
        return np.asarray(members[most_typical(vectors, k)])

    def standing(self, row: int) -> tuple[np.ndarray, int] | None:
        """Return the position (2,) and the group of a listing by its row in the run; None if it is not on the map."""
        at = np.flatnonzero(self.rows == row)
        return (self.places[at[0]].astype(float), int(self.cluster[at[0]])) if len(at) else None

    def landing(self, vector: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the position (2,) and the group of a listing that is not on the map, from its `vector` (d,)."""
        alike = (self.run.vectors(self.space) @ vector)[self.rows]  # (n,)
        return place_among(alike, self.places.astype(float), self.cluster)

    def labels(self) -> list[tuple[int, np.ndarray]]:
        """Return the number of each group and the position (2,) of its label; none where another attribute groups the map."""
        if self.grouped_by is not None:
            return []
        return [(number, self.middle(self.members(number))) for number in self.groups]

    def members(self, number: int) -> np.ndarray:
        """Return the rows (n,) on the map of the listings in the cluster `number`."""
        return np.flatnonzero(self.cluster == number)

    def chosen(
        self, region: str = "", group: int | None = None, where: Sequence[str] = (), day: str | None = None
    ) -> np.ndarray:
        """Return which listings a selection has, (n,) bool; see `select_on_map`."""
        market, result = self.run.market, np.ones(len(self.rows), bool)
        if region:
            outline = read_outline(region)
            if outline is None:
                raise VibesError(
                    f"'{region[:60]}' is not a region; write three or more corners as 'x,y;x,y;x,y'."
                )
            result &= inside(self.places, outline)
        if group is not None:
            self._check(group)
            result &= self.cluster == group
        for condition in where:
            result &= fulfilling(market, condition)[self.rows]
        if day is not None:
            days = market_days(self.run)
            number = None if days is None else days.number(day)
            if days is None or number is None:
                raise VibesError(
                    f"The events of the market have no day '{day}'; give another, or leave it out."
                )
            result &= days.live(number)[self.rows]
        return result

    def name(self, group: int, name: str) -> None:
        """Name a group, see `name_group`."""
        self._check(group)
        save_name(self.run, self.vector_space, self.ids[self.typical(group, len(self.rows))], name)

    def _check(self, group: int) -> None:
        if group not in self.groups:
            raise VibesError(
                f"There is no group {group} on the map; its groups are 0 to {self.clusters - 1}."
            )

    def frame(self, chosen: np.ndarray) -> pd.DataFrame:
        """Return the `chosen` (n,) bool listings: id, position on the map, name of the cluster, and the market's own columns."""
        names = np.array([*self.names, None], object)
        listings = self.run.market.listings.iloc[self.rows[chosen]].reset_index(drop=True)
        head = pd.DataFrame(
            {
                C.LISTING: listings[C.LISTING],
                "map_x": self.places[chosen, 0],
                "map_y": self.places[chosen, 1],
                "group": names[self.cluster[chosen]],
            }
        )
        return pd.concat([head, listings.drop(columns=C.LISTING)], axis=1)

    @property
    def vector_space(self) -> str:
        """The space that groups and vectors are of."""
        return self.space if self.grouped_by is None else self.grouped_by.space

    def middle(self, members: np.ndarray) -> np.ndarray:
        """Return the position (2,) of the listing nearest to the median position of listings by their numbers on the map."""
        own = self.places[members].astype(float)
        return np.asarray(own[np.abs(own - np.median(own, axis=0)).sum(axis=1).argmin()])


def load_maps(run: Run) -> dict[str, SpaceMap] | None:
    """Return the maps of a run by space, and the street map last; None if they are missing or computed from other embeddings.

    Raises:
        VibesError: the file is damaged.
    """
    frame = read_map(run)
    if frame is None:
        return None
    rows = pd.Index(run.listing_ids, dtype=object).get_indexer(frame[C.LISTING].astype(object))
    maps = {}
    for space in run.spaces:
        mine = np.flatnonzero((frame["space"] == space).to_numpy() & (rows >= 0))
        if len(mine):
            maps[space] = _of_frame(run, space, *with_newcomers(run, space, frame.iloc[mine], rows[mine]))
    return with_street_map(maps)


def coarse_map(run: Run, space: str) -> SpaceMap:
    """Return a map of a space that takes seconds, until its final map is drawn; the space has at least `LEAST` listings."""
    rows = np.flatnonzero(run.index(space).known)
    places, cluster = coarse_layout(run.vectors(space), rows)
    frame = pd.DataFrame({"x": places[:, 0], "y": places[:, 1], "cluster": cluster})
    if run.market.cover:
        frame = frame.join(run_tones(run).iloc[rows].reset_index(drop=True))
    return _of_frame(run, space, frame, rows)


def group_map(run: Run, space: str) -> SpaceMap | None:
    """Return the map of a space whose groups are those that are shown everywhere: the final map, or the coarse one until it is drawn.

    None where the space has too few listings.
    """
    if space not in drawable_spaces(run):
        return None
    return (load_maps(run) or {}).get(space) or coarse_map(run, space)


def usual_space(spaces: Iterable[str]) -> str:
    """Return the space whose groups a market shows first: of photos, else of attributes, which have names, else the first."""
    names = list(spaces)
    return next((name for name in ("photos", "attributes") if name in names), names[0])


def drawable_spaces(run: Run) -> list[str]:
    """Return the spaces with enough listings for a map."""
    return [space for space in run.spaces if np.count_nonzero(run.index(space).known) >= LEAST]


def _of_frame(run: Run, space: str, frame: pd.DataFrame, rows: np.ndarray) -> SpaceMap:
    return SpaceMap(
        run=run,
        space=space,
        rows=rows,
        places=grid_places(frame[["x", "y"]].to_numpy()),
        cluster=frame["cluster"].to_numpy(np.int16),
        tones=frame.reindex(columns=list(COLUMNS)).reset_index(drop=True),
    )


def with_street_map(maps: dict[str, SpaceMap]) -> dict[str, SpaceMap]:
    """Return maps with the street map of the first one's listings (photos if present), if they have coordinates: longitude is
    scaled as at the median latitude, and the few listings far from all others stand at the edge.
    """
    base = maps[usual_space(maps)] if maps else None
    if base is None or LOCATION in maps or not {C.LATITUDE, C.LONGITUDE} <= set(base.run.market.listings):
        return maps
    degrees = base.run.market.listings[[C.LONGITUDE, C.LATITUDE]].to_numpy(float, na_value=np.nan)[base.rows]
    known = np.flatnonzero(np.isfinite(degrees).all(axis=1))
    if len(known) < LEAST:
        return maps
    degrees = degrees[known]
    places = degrees * [np.cos(np.radians(np.median(degrees[:, 1]))), 1.0]
    low, high = np.quantile(places, [EDGE, 1 - EDGE], axis=0)
    margin = BEYOND * (high - low)
    street = SpaceMap(
        run=base.run,
        space=LOCATION,
        rows=base.rows[known],
        places=grid_places(np.clip(places, low - margin, high + margin)),
        cluster=base.cluster[known],
        tones=base.tones.iloc[known].reset_index(drop=True),
        grouped_by=base,
    )
    return {**maps, LOCATION: street}


def map_of(run: Run, space: str | None = None) -> SpaceMap:
    """Return the map of a space; None: of the photos, else of the first space that has a map.

    Raises:
        VibesError: no map was drawn, or there is none of this space.
    """
    maps = load_maps(run)
    if not maps:
        raise VibesError(f"The map of {run.path} is not drawn yet; the explorer draws it on its page.")
    name = space or usual_space(maps)
    if name not in maps:
        raise VibesError(f"{run.path} has no map of '{name}'; it has: {', '.join(maps)}.")
    return maps[name]


def select_on_map(
    run: Run,
    space: str | None = None,
    *,
    region: str = "",
    group: int | None = None,
    where: Sequence[str] = (),
    day: str | None = None,
) -> pd.DataFrame:
    """Return the listings of a selection on the map, as the page *Vibe map* exports them.

    >>> select_on_map(run, "photos", group=0, where=["price<=1000"])
    Traceback (most recent call last):
    listing_vibes.errors.VibesError: ...is not drawn yet; the explorer draws it on its page.

    Args:
        space: "photos", "model", "attributes", or "location" for the street map; None: the map that the page opens with.
        region: a line around listings, `x,y;x,y;...` on a grid of 50,000 steps.
        group: number of a group, the largest is 0.
        where: conditions such as "price<=100", all of which hold.
        day: a day on which the listings were active, such as "2025-03-01".

    Raises:
        VibesError: no map was drawn, or the space, the region, the group, a condition or the day does not exist.
    """
    drawn = map_of(run, space)
    return drawn.frame(drawn.chosen(region, group, where, day))


def name_group(run: Run, space: str | None, group: int, name: str) -> None:
    """Name a group of the map; the name is kept in the run, and shown on the map and in reports.

    >>> name_group(run, "photos", 3, "Brick lofts")
    Traceback (most recent call last):
    listing_vibes.errors.VibesError: ...is not drawn yet; the explorer draws it on its page.

    Args:
        space: as for `select_on_map`; the street map has the groups of the first map.
        group: number of the group, the largest is 0.
        name: at most 60 characters; an empty name brings the default back.

    Raises:
        VibesError: there is no such group, the name is too long, or it cannot be written.
    """
    drawn = map_of(run, space)
    drawn.name(group, name)
