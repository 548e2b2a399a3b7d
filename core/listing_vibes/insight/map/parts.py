"""What the script of a map asks for, in the explorer and in notebooks: groups, names, facets, and what sets a selection apart."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.insight.days import market_days
from listing_vibes.insight.map.cluster_names import portraits
from listing_vibes.insight.map.facets import facets
from listing_vibes.insight.map.region import SIZE
from listing_vibes.insight.map.space_map import SpaceMap
from listing_vibes.words import count

TYPICAL = 24  # listings of a group that come first in its gallery
TRAITS = 6
LISTINGS = 64  # maximum number of listings in one request
FACET = ("name", "label", "kind", "bars", "totals", "ends", "values", "more", "within")


def map_data(drawn: SpaceMap) -> dict[str, Any]:
    """Return what the script needs to draw the listings as points: their number, half their width and height, and their days."""
    number, days = len(drawn.rows), market_days(drawn.run)
    return {
        "n": number,
        "reach": np.abs(drawn.places - SIZE / 2).max(axis=0, initial=1).tolist(),
        "days": days and {"first": days.first, "count": len(days)},
        "label": f"Map of {count(number, 'listing')}: what is alike lies close together",
    }


def map_part(drawn: SpaceMap, part: str, params: Mapping[str, str]) -> Any:
    """Return a part of a map, as bytes or as what becomes JSON; None if there is none of this name.

    The parts are the `places` (x and y of each listing as uint16, then its cluster as int16), the `groups`, the `names` on the
    map, the `facets`, their `codes` one facet after the other, the `order` of the listings by a number, what sets a selection apart
    (`about`), and the codes of a `day`.

    Raises:
        VibesError: a parameter cannot be read, or there is no such day.
    """
    match part:
        case "places":
            return drawn.places.astype("<u2").tobytes() + drawn.cluster.astype("<i2").tobytes()
        case "groups":
            return [
                {"name": name, "size": int(size), "typical": drawn.typical(number, TYPICAL).tolist()}
                for number, (name, size) in enumerate(zip(drawn.names, drawn.sizes, strict=False))
            ]
        case "names":
            return _names(drawn)
        case "facets":
            return [
                {name: getattr(item, name) for name in FACET} for item in facets(drawn.run.market, drawn.rows)
            ]
        case "codes":
            return b"".join(item.codes.tobytes() for item in facets(drawn.run.market, drawn.rows))
        case "order":
            return _order(drawn, params.get("by", ""), params.get("falls") == "1").astype("<u4").tobytes()
        case "about":
            return {"traits": _traits(drawn, chosen_by(drawn, params))}
        case "day":
            days = market_days(drawn.run)
            (number,) = read_numbers(params, 0 if days is None else len(days), 1)
            return None if days is None else days.codes(number, drawn.rows).tobytes()
    return None


def _names(drawn: SpaceMap) -> list[dict[str, Any]]:
    """Return the label of each group on the map, the largest group first: its name, or its most typical listing where it has none."""
    return [
        {
            "text": drawn.names[number],
            "x": int(at[0]),
            "y": int(at[1]),
            "group": number,
            "isNamed": drawn.is_named(number),
            "listing": int(drawn.typical(number, 1)[0]),
        }
        for number, at in drawn.labels()
    ]


def _order(drawn: SpaceMap, name: str, falls: bool) -> np.ndarray:
    """Return the listings (n,) of a map by a number, those without it last."""
    market = drawn.run.market
    if name not in {item.name for item in market.attributes if item.shown_as == "number"}:
        raise VibesError(f"'{name[:60]}' is not a number of this market; give one as 'by'.")
    amounts = market.listings[name].iloc[drawn.rows].to_numpy(float, na_value=np.nan)
    return np.argsort(-amounts if falls else amounts, kind="stable")


def _traits(drawn: SpaceMap, chosen: np.ndarray) -> list[list[Any]]:
    """Return what sets a selection (n,) bool apart from the other listings of the map."""
    if chosen.all() or not chosen.any():
        return []
    (portrait,) = portraits(drawn.values, np.where(chosen, 0, -1))
    return [[f"{item.label}: {item.text}", item.inside, item.outside] for item in portrait.traits[:TRAITS]]


def read_numbers(params: Mapping[str, str], count: int, most: int = LISTINGS) -> list[int]:
    """Return the numbers below `count` in the parameter `of`, such as those of listings on the map.

    Raises:
        VibesError: one of them is none, or there are more than `most`.
    """
    parts = [part for part in params.get("of", "").split(",") if part]
    if not 0 < len(parts) <= most or not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise VibesError(f"Give 1 to {most} numbers as 'of'.")
    numbers = [int(part) for part in parts]
    if max(numbers) >= count:
        raise VibesError(f"There is no number {max(numbers)}; give numbers below {count}.")
    return numbers


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
