"""The layer of unmet demand: regions on the map, and a list with numbers and photos."""

from typing import Any

import numpy as np
import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.insight.demand.demand import DAYS, Demand, Figures, Region, demand
from listing_vibes.insight.demand.regions import LEVEL
from listing_vibes.market.io import spreadsheet_csv
from listing_vibes_app.kit.as_code import download
from listing_vibes_app.kit.controls import button
from listing_vibes_app.kit.gallery import gallery, listing_card
from listing_vibes_app.kit.map_points import SpaceMap, map_url
from listing_vibes_app.server.params import quoted, read_number, report_unused, set_params
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import count, plain

MOST = 9  # most regions on the map, by significance
LEAST = 140  # smallest width of a photo in pixels
COLORS = {"light": "#b3502f", "dark": "#f0a184"}
HELP = (
    "Of all listings ever published, which would the model recommend to users first? A region is marked where there are "
    "significantly more than 1.5 times as many of these users to an active listing as in the whole market."
)


def has_unmet(opened: OpenRun) -> bool:
    """Return whether unmet demand can be estimated, which needs a model and events."""
    return opened.run.has_model and opened.view.has_events


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_RUN)
def _demand(opened: OpenRun, space: str, at: int | None, by_month: bool) -> Demand:
    return demand(opened.run, at, "month" if by_month else None, space)


def unmet(drawn: SpaceMap, at: int | None, by_month: bool = False) -> Demand:
    """Return the unmet demand in a map's space at a moment (None: after the last event)."""
    return _demand(drawn.opened, drawn.space, at, by_month)


def codes(drawn: SpaceMap, at: int | None) -> np.ndarray:
    """Return (n,) uint8: the region of each point of the map, from 1 on; 0 for none."""
    result = np.zeros(len(drawn.opened.view), np.uint8)
    for number, place in reversed(list(enumerate(unmet(drawn, at).regions[:MOST], 1))):
        result[[drawn.opened.view.market.listing_row[name] for name in place.listings]] = number
    return result[drawn.rows]


def layer(drawn: SpaceMap, at: int | None) -> dict[str, Any]:
    """Return the layer for the map's script: the URL of the codes, the number of regions, and the highlighted one."""
    params = {} if at is None else {"at": str(at)}
    return {
        "codes": map_url(drawn.opened, drawn.space, "unmet", **params),
        "colours": COLORS,
        "chosen": chosen_region(drawn, at),
        "places": len(unmet(drawn, at).regions[:MOST]),
    }


def chosen_region(drawn: SpaceMap, at: int | None) -> int | None:
    """Return the number of the region in the URL, from 1 on."""
    number = read_number("place", 0, 0, 99)
    if number > min(MOST, len(unmet(drawn, at).regions)):
        part = quoted("place", str(number))
        report_unused(f"The link has {part}, but there are fewer regions; it is left out.")
        return None
    return number or None


def show_regions(drawn: SpaceMap, at: int | None) -> None:
    """Show each region in words, with its users, its active listings, and photos."""
    st.header("Where demand is unmet", anchor=False, help=HELP)
    result = unmet(drawn, at)
    if not result.regions:
        st.markdown(
            f"In no region of this map are there significantly more than {result.least:g} times as many users to an active listing "
            f"as in the whole market ({count(result.tests, 'region')} tested). Another map, or another day, may show some."
        )
        return
    users, active = result.regions[0].figures[-1].all_users, result.regions[0].figures[-1].all_active
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(
            f"{count(users, 'user')} active in the {DAYS} days before, {count(active, 'listing')} active then; "
            f"{count(result.tests, 'region')} tested; “at least” is a {LEVEL:.0%} bound over all of them together.",
            width="content",
        )
        name = f"{drawn.opened.name}-{drawn.space}-unmet-demand"
        csv = lambda: spreadsheet_csv(unmet(drawn, at, by_month=True).frame())  # noqa: E731
        download("By month, CSV", csv, f"{name}.csv", "unmet-csv")
    for number, place in enumerate(result.regions[:MOST], 1):
        with st.container(border=True):
            _show_region(drawn, at, number, place)


def _show_region(drawn: SpaceMap, at: int | None, number: int, place: Region) -> None:
    marked = chosen_region(drawn, at) == number
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            f"**{number}. {plain(place.name)}**  \n{plain(sentence(place.figures[-1]))}", width="content"
        )
        label, icon = ("Show all", "close") if marked else ("Mark on the map", "search")
        chosen = {"place": None if marked else number, "region": None, "group": None, "page": None}
        button(label, icon, lambda: set_params(**chosen), key=f"place-{number}")
    traits = [
        f"{trait.label}: {trait.text} ({100 * trait.inside:.0f}% against {100 * trait.outside:.0f}%)"
        for trait in place.traits[:4]
    ]
    if place.words:
        traits.append("words: " + ", ".join(place.words[:4]))
    if traits:
        st.caption(plain("These users' listings, against what is active: " + " · ".join(traits)))
    view = drawn.opened.view
    active = drawn.opened.run.catalogue.live(drawn.opened.run.moment(at))
    for label, listings in (("Most wanted", place.wanted), ("Nearest of what is active", place.nearest)):
        st.markdown(label)
        rows = [view.market.listing_row[name] for name in listings]
        cards = [
            listing_card(drawn.opened, row, step="" if active[row] else "No longer active") for row in rows
        ]
        key, label = f"{label}-{number}", f"{label} of {place.name}"
        gallery(drawn.opened, cards, key=key, label=label, layout="strip", least=LEAST)


def sentence(figures: Figures) -> str:
    """Return a sentence with the number of users, the number of active listings and the lower bound of their ratio."""
    users = f"{figures.users:,.0f} of {count(figures.all_users, 'user')} want this"
    if figures.lift is None:
        return f"{users}; no listing is active here (at least {figures.low:.1f} times too few)."
    verb = "is" if figures.active == 1 else "are"
    return (
        f"{users}, {count(figures.active, 'listing')} {verb} active: {figures.lift:.1f} times as many users to a listing as in the "
        f"market, at least {figures.low:.1f}."
    )


def read_moment(text: str | None) -> int | None:
    """Return the moment in a URL of `layer`.

    Raises:
        VibesError: it is not a moment.
    """
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 19:
        raise VibesError("There is no such moment.")
    return int(text)
