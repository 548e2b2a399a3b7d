"""The layer of unmet demand: its regions on the map, with their users and listings in words."""

from typing import Any

import numpy as np
import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.insight.audience import audience_share
from listing_vibes.insight.days import market_days
from listing_vibes.insight.demand import LEVEL, Demand, Region, demand
from listing_vibes.insight.map.space_map import LOCATION, SpaceMap
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import count

MOST = 9  # most regions on the map, by significance
COLORS = {"light": "#b3502f", "dark": "#f0a184"}
HELP = (
    "Of all listings ever published, which would the model recommend to users first? A region is marked where there are "
    "significantly more than 1.5 times as many of these users to an active listing as in the whole market."
)


def has_unmet(opened: OpenRun, space: str) -> bool:
    """Return whether unmet demand can be estimated, which needs a model and events."""
    return opened.run.has_model and opened.view.has_events and space != LOCATION


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_RUN)
def unmet(opened: OpenRun, space: str, at: int | None) -> Demand:
    """Return the unmet demand in a space at a moment (None: after the last event)."""
    return demand(opened.run, at, space)


def unmet_layer(opened: OpenRun, drawn: SpaceMap, at: int | None) -> dict[str, Any]:
    """Return the regions, with the numbers of their listings on the map, and a line on how they were tested."""
    result = unmet(opened, drawn.space, at)
    number = {name: place for place, name in enumerate(drawn.ids.tolist())}

    def numbers(listings: list[str]) -> list[int]:
        return [number[name] for name in listings if name in number]

    regions = [
        {
            "name": place.name,
            "text": sentence(result, place),
            "reasons": reasons(place),
            "listings": numbers(place.listings),
            "wanted": numbers(place.wanted),
            **dict(zip("xy", drawn.middle(np.array(numbers(place.listings))).tolist(), strict=True)),
        }
        for place in result.regions[:MOST]
    ]
    if not regions:
        note = (
            f"In no region are there significantly more than {result.least:g} times as many users to an active listing as in the "
            f"whole market ({count(result.tests, 'region')} tested). Another map, or another day, may show some."
        )
        return {"regions": [], "note": note}
    note = (
        f"{result.population.describe()}, {count(result.all_active, 'listing')} active then; "
        f"{count(result.tests, 'region')} tested; “at least” is a {LEVEL:.0%} bound over all of them together."
    )
    return {"regions": regions, "note": note}


def reasons(place: Region) -> list[str]:
    """Return what the listings of a region's users have in common, against what is active."""
    return [
        f"{trait.label}: {trait.text} ({100 * trait.inside:.0f}% against {100 * trait.outside:.0f}%)"
        for trait in place.traits[:4]
    ]


def sentence(result: Demand, place: Region) -> str:
    """Return a sentence with the share of users, the number of active listings and the lower bound of their ratio."""
    users = f"{audience_share(place.users / result.population.users)} want this"
    if place.lift is None:
        return f"{users}; no listing is active here (at least {place.low:.1f} times too few)."
    verb = "is" if place.active == 1 else "are"
    return (
        f"{users}, {count(place.active, 'listing')} {verb} active: {place.lift:.1f} times as many users to a listing as in the "
        f"market, at least {place.low:.1f}."
    )


def end_of_day(opened: OpenRun, day: str | None) -> int | None:
    """Return the end of a day, as of which the layer is; None for the last day or none.

    Raises:
        VibesError: the market has no such day.
    """
    days = market_days(opened.run)
    number = days.number(day) if days is not None and day else None
    if day and number is None:
        raise VibesError(f"There is no day '{day[:20]}' in this market.")
    if days is None or number is None or number == len(days) - 1:
        return None
    return days.begin(number + 1)
