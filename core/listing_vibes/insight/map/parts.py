"""What the script of a map asks for, in the explorer and in notebooks: groups, names, facets, and what sets a selection apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.insight.days import MarketDays
from listing_vibes.insight.map.cluster_names import portraits
from listing_vibes.insight.map.facets import facets
from listing_vibes.insight.map.region import SIZE
from listing_vibes.insight.map.space_map import SpaceMap
from listing_vibes.words import count

TYPICAL = 24  # listings of a group that come first in its gallery
TRAITS = 6
GROUPS_FROM, PARTS_FROM, MOST = 1.6, 4, 1000  # zooms of names of groups and of parts, and beyond the largest


def places_part(drawn: SpaceMap) -> bytes:
    """Return x and y of each listing, then its cluster: uint16 and int16, little endian."""
    return drawn.places.astype("<u2").tobytes() + drawn.cluster.astype("<i2").tobytes()


def map_data(drawn: SpaceMap, days: MarketDays | None) -> dict[str, Any]:
    """Return what the script needs to draw the listings as points: their number, half their width and height, and their days."""
    number = len(drawn.rows)
    return {
        "n": number,
        "reach": np.abs(drawn.places - SIZE / 2).max(axis=0, initial=1).tolist(),
        "days": days and {"first": days.first, "count": len(days)},
        "label": f"Map of {count(number, 'listing')}: what is alike lies close together",
    }


def groups_part(drawn: SpaceMap) -> list[dict[str, Any]]:
    """Return each group: its name, its size and its typical listings."""
    return [
        {"name": name, "size": int(size), "typical": drawn.typical(number, TYPICAL).tolist()}
        for number, (name, size) in enumerate(zip(drawn.names, drawn.sizes, strict=False))
    ]


def names_part(drawn: SpaceMap) -> list[dict[str, Any]]:
    """Return the names on the map, see `SpaceMap.labels`, the most important first, and from which to which zoom each is shown."""
    labels = drawn.labels()
    has_parents = sum(level == 0 for level, _, _ in labels) > 1
    zooms = {2: (PARTS_FROM, MOST), 0: (0, GROUPS_FROM), 1: (GROUPS_FROM if has_parents else 0, MOST)}
    return [
        {"text": text, "x": int(at[0]), "y": int(at[1]), "zooms": zooms[level], "isGroup": level == 1}
        for shown in zooms
        for level, text, at in labels
        if level == shown
    ]


def facets_part(drawn: SpaceMap) -> tuple[list[dict[str, Any]], bytes]:
    """Return the facets of the listings, and their codes one facet after the other."""
    given = facets(drawn.run.market, drawn.rows)
    fields = ("name", "label", "kind", "bars", "totals", "ends", "values")
    described = [{field: getattr(item, field) for field in fields} for item in given]
    return described, b"".join(item.codes.tobytes() for item in given)


def about_part(drawn: SpaceMap, params: Mapping[str, str]) -> dict[str, Any]:
    """Return what sets a selection apart from the other listings of the map."""
    chosen = chosen_by(drawn, params)
    if chosen.all() or not chosen.any():
        return {"traits": []}
    (portrait,) = portraits(drawn.values, np.where(chosen, 0, -1))
    traits = [[f"{item.label}: {item.text}", item.inside, item.outside] for item in portrait.traits[:TRAITS]]
    return {"traits": traits}


def chosen_by(drawn: SpaceMap, params: Mapping[str, str]) -> np.ndarray:
    """Return which listings the selection in the parameters of a URL has, (n,) bool.

    Raises:
        VibesError: a parameter cannot be read, or see `SpaceMap.chosen`.
    """
    group = params.get("group", "")
    if group and not (group.isdecimal() and len(group) < 6):
        raise VibesError(f"'{group[:60]}' is not a group of the map; give the number of a group.")
    conditions = read_where(params.get("where", ""))
    region, day = params.get("region", ""), params.get("day") or None
    return drawn.chosen(region, int(group) if group and not region else None, conditions, day)


def read_where(text: str) -> list[str]:
    """Return the conditions in a parameter of a URL, which are escaped and separated by semicolons."""
    return [unquote(part) for part in text.split(";") if part]
