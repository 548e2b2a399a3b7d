"""The map's days: what was live on each and what was touched, for the slider that goes through them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from listing_vibes_app.kit.days import day_chosen, market_days
from listing_vibes_app.kit.map_points import SpaceMap, address
from listing_vibes_app.view.formats import moment


@dataclass(frozen=True, eq=False)
class Today:
    """The day that a map shows."""

    said: str  # "3 Mar 2025"
    live: np.ndarray  # (n,) bool, points of the map that were live


def day_bytes(one: SpaceMap, day: int) -> bytes:
    """(n,) one byte a point of the map, see `listing_vibes.insight.days.MarketDays.codes`.

    Raises:
        IndexError: there is no such day.
    """
    days = market_days(one.opened)
    if days is None:
        raise IndexError(day)
    return days.codes(day, one.rows).tobytes()


def today(one: SpaceMap) -> Today | None:
    """The day that the address names; None for none."""
    days, day = market_days(one.opened), day_chosen(one.opened)
    if days is None or day is None:
        return None
    return Today(moment(days.begin(day)), days.live(day)[one.rows])


def days_told(one: SpaceMap) -> dict[str, Any] | None:
    """What the map is told of its days; None where there are none to go through."""
    days = market_days(one.opened)
    if days is None:
        return None
    return {
        "first": days.first,
        "count": len(days),
        "at": day_chosen(one.opened),
        "address": address(one.opened, one.space, "day", "0").replace("/day/0?", "/day/{day}?"),
    }
