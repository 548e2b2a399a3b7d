"""A layer of the map: where many want and few offer, as places drawn over it and a list with figures and photos."""

import json
from typing import Any

import numpy as np
import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.insight.demand.demand import DAYS, Demand, Figures, UnmetPlace, demand
from listing_vibes.insight.demand.surely import LEVEL
from listing_vibes.market.spreadsheet import spreadsheet_csv
from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.gallery import gallery
from listing_vibes_app.kit.map_points import SpaceMap, address
from listing_vibes_app.server.params import in_vain, quoted, set_params, whole
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import count, plain, shorten

MOST = 9  # places that are shown, the surest
LEAST = 140  # smallest width of a photo
COLOURS = {"light": "#b3502f", "dark": "#f0a184"}
HELP = (
    "Users are asked what the model would give them first of all listings ever published. A place is marked where there are "
    "surely 1.5 times as many of them to a live listing as in the whole market."
)


def offered(opened: OpenRun) -> bool:
    """Whether there is anything to ask: a model and events."""
    return opened.run.has_model and opened.view.has_events


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_RUN)
def _found(opened: OpenRun, space: str, at: int | None, by_month: bool) -> Demand:
    return demand(opened.run, at, "month" if by_month else None, space)


def unmet(one: SpaceMap, at: int | None, by_month: bool = False) -> Demand:
    """Unmet demand in a map's space at a moment (None: after the last event); kept for all sessions."""
    return _found(one.opened, one.space, at, by_month)


def codes(one: SpaceMap, at: int | None) -> np.ndarray:
    """(n,) uint8: the place that each point of the map belongs to, from 1; 0 for none."""
    found = np.zeros(len(one.opened.view), np.uint8)
    for number, place in reversed(list(enumerate(unmet(one, at).places[:MOST], 1))):
        found[[one.opened.view.market.listing_row[name] for name in place.listings]] = number
    return found[one.rows]


def layer(one: SpaceMap, at: int | None, chosen: int | None) -> dict[str, Any]:
    """What the map is told: the address of the codes, names and figures of the places, and which one stands out."""
    return {
        "codes": address(one.opened, one.space, "unmet", **({} if at is None else {"at": str(at)})),
        "colours": COLOURS,
        "chosen": chosen,
        "places": [
            {"name": shorten(place.name, 60), "told": _brief(place.last)}
            for place in unmet(one, at).places[:MOST]
        ],
    }


def chosen_place(one: SpaceMap, at: int | None) -> int | None:
    """The number of the place that the URL names, from 1."""
    number = whole("place", 0, 0, 99)
    if number > min(MOST, len(unmet(one, at).places)):
        in_vain(
            f"The link asks for {quoted('place', str(number))}, and there are not so many; it is left out."
        )
        return None
    return number or None


def places(one: SpaceMap, at: int | None) -> None:
    """The list: each place in words, with how many users, how many live listings, how sure, and photos."""
    st.header("Where demand is unmet", anchor=False, help=HELP)
    found = unmet(one, at)
    if not found.looked:
        st.markdown("Too few listings are known in this space for a place that could tell anything.")
        return
    if not found.places:
        st.markdown(
            f"Nowhere on this map are there surely {found.least:g} times as many users to a live listing as in the whole "
            f"market; {count(found.looked, 'place')} {'was' if found.looked == 1 else 'were'} looked at. "
            "Another map, or another day, may show some."
        )
        return
    users, live = found.places[0].last.asked, found.places[0].last.of
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(
            f"Asked: {count(users, 'user')} active in the {DAYS} days before; {count(live, 'listing')} live then. "
            f"{count(found.looked, 'place')} looked at; “at least” holds for all of them together ({LEVEL:.0%})."
        )
        with st.container(horizontal=True, width="content"):
            _downloads(one, at)
    for number, place in enumerate(found.places[:MOST], 1):
        with st.container(border=True):
            _place(one, at, number, place)


def _downloads(one: SpaceMap, at: int | None) -> None:
    name = f"{one.opened.name}-{one.space}-unmet-demand"

    def csv() -> bytes:
        return spreadsheet_csv(unmet(one, at, by_month=True).frame())

    def document() -> bytes:
        return json.dumps(unmet(one, at).to_dict()).encode()

    st.download_button(
        "By month, CSV",
        csv,
        f"{name}.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="unmet-csv",
    )
    st.download_button(
        "JSON", document, f"{name}.json", "application/json", icon=":material/download:", on_click="ignore",
        key="unmet-json",
    )  # fmt: skip


def _place(one: SpaceMap, at: int | None, number: int, place: UnmetPlace) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{number}. {plain(place.name)}**  \n{plain(sentence(place.last))}", width="content")
        marked = chosen_place(one, at) == number
        st.button(
            "Show all" if marked else "Mark on the map",
            icon=":material/close:" if marked else ":material/search:",
            on_click=lambda: choose(None if marked else number),
            key=f"place-{number}",
        )
    touched = [
        f"{trait.label}: {trait.text} ({100 * trait.inside:.0f}% against {100 * trait.outside:.0f}%)"
        for trait in place.traits[:4]
    ]
    if place.words:
        touched.append("words: " + ", ".join(place.words[:4]))
    if touched:
        st.caption(plain("These users touched, against what is live: " + " · ".join(touched)))
    for label, listings in (("Most wished for", place.wanted), ("Nearest of what is live", place.nearest)):
        st.markdown(f"{label}")
        _strip(one, listings, f"{label} of {place.name}", f"{label}-{number}", at)


def _strip(one: SpaceMap, listings: list[str], label: str, key: str, at: int | None) -> None:
    opened, view = one.opened, one.opened.view
    live = opened.run.catalogue.live(opened.run.moment(at))
    rows = [view.market.listing_row[name] for name in listings]
    gallery(
        [listing_card(opened, row, step="" if live[row] else "No longer live") for row in rows],
        key=key,
        box=opened.box,
        label=label,
        layout="strip",
        photos=view.has_photos,
        least=LEAST,
    )


def choose(number: int | None) -> None:
    """Let a place stand out on the map; None lets none."""
    set_params(place=number, region=None, group=None, page=None)


def sentence(one: Figures) -> str:
    """How many want it, how many there are, and how sure that is."""
    wish = f"{one.users:,.0f} of {count(one.asked, 'user')} wish for this"
    if one.lift is None:
        return f"{wish}; no listing is live here (surely {one.low:.1f} times too few)."
    usual = "" if one.usual is None else f" Of all ever published: {one.usual:.1f} times."
    return (
        f"{wish}, {count(one.live, 'listing')} {'is' if one.live == 1 else 'are'} live: {one.lift:.1f} times as many users "
        f"to a listing as in the market, at least {one.low:.1f}.{usual}"
    )


def _brief(one: Figures) -> str:
    lift = "none live" if one.lift is None else f"{one.lift:.1f} times as many to a listing"
    return f"{count(round(one.users), 'user')}, {one.live:,} live: {lift}"


def read_at(text: str | None) -> int | None:
    """The moment in an address that `layer` gave.

    Raises:
        VibesError: it is none.
    """
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 19:
        raise VibesError("There is no such moment.")
    return int(text)
