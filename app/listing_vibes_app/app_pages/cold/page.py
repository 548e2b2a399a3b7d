"""Cold start: listings that nobody touched yet, one entered on the spot, and how recall depends on what is known."""

from typing import Any

import numpy as np
import streamlit as st

from listing_vibes.errors import VibesError, sentence_of
from listing_vibes_app.app_pages.cold.advice import advised
from listing_vibes_app.app_pages.cold.cold_listings import (
    ColdListings,
    cold_listings,
    encoded,
    later_users,
    training_end,
)
from listing_vibes_app.app_pages.cold.launching import competing, people, reach, sliders
from listing_vibes_app.app_pages.cold.listing_form import (
    PHOTOS,
    begun,
    fill_form,
    newcomer_form,
    tell_left_out,
)
from listing_vibes_app.app_pages.cold.placement import Placement, first_users, neighbours, place_among_all
from listing_vibes_app.app_pages.cold.recall_by import recall_by
from listing_vibes_app.app_pages.cold.uploads import usable
from listing_vibes_app.kit.cards import address, listing_card, photo_cards
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.gallery import Card, gallery
from listing_vibes_app.kit.pagination import page_of
from listing_vibes_app.kit.spaces import label_of, missing_spaces, space_switch
from listing_vibes_app.kit.switch import switch
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import chosen, keep, set_params
from listing_vibes_app.server.photos import LARGE
from listing_vibes_app.server.runs import OpenRun, current_run
from listing_vibes_app.view.formats import count, plain

PAGE = 24
OFFERED = 6  # listings to begin with
VIEWS = {"listings": "Cold listings", "new": "Add a listing", "figures": "How well it works"}
SETS = {"none": "No event at all", "later": "First touched after training"}


def page() -> None:
    """The whole page."""
    opened = current_run()
    listing = st.query_params.get("listing")
    if listing is not None:
        one(opened, listing)
        return
    st.title("Cold start", anchor=False)
    match switch("Show", "view", VIEWS, "listings", label_visibility="collapsed"):
        case "new":
            entered(opened)
        case "figures":
            recall_by(opened)
        case _:
            choosing(opened)


def choosing(opened: OpenRun) -> None:
    """The cold listings to choose from."""
    cold = cold_listings(opened)
    sizes = {"none": len(cold.untouched), "later": len(cold.later)}
    if not opened.view.has_events:
        st.markdown("This market has no events, so every listing is cold.")
    elif not any(sizes.values()):
        empty(
            "No listing is cold",
            "Every listing had an event while the model was trained. A listing entered by hand is cold.",
            action="Add a listing",
            on_click=fill_form,
            args=(opened, None),
        )
        return
    which = "none" if sizes["none"] else "later"
    if all(sizes.values()):
        st.session_state["set"] = chosen("set", list(SETS), "none")
        st.segmented_control(
            "Which",
            list(SETS),
            key="set",
            format_func=lambda name: f"{SETS[name]} ({sizes[name]:,})",
            required=True,
            on_change=_other_set,
        )
        which = str(st.session_state["set"])
    rows = cold.untouched if which == "none" else cold.later
    meaning = "no event at all" if which == "none" else "their first event after training ended"
    line = f"{len(rows):,} of {count(len(opened.view), 'listing')} have {meaning}. Choose one to see where it lands."
    cards = [card(opened, int(row), cold) for row in page_of(rows, PAGE, line)]
    gallery(
        cards,
        key="cold",
        box=opened.box,
        label="Cold listings to choose from",
        photos=any(one.photo for one in cards),  # boxes without a single photo in them say nothing
    )


def _other_set() -> None:
    set_params(page=None)
    keep("set", "set", "none")


def card(opened: OpenRun, row: int, cold: ColdListings) -> Card:
    """A cold listing as a link to where it lands."""
    touched = int(cold.touches[row])
    score = f"{count(touched, 'event')}, all after training" if touched else "No event"
    plain_card = listing_card(opened, row, score=score)
    return Card(**{**plain_card.__dict__, "href": address(opened, "cold", listing=opened.view.ids[row])})


def one(opened: OpenRun, listing: str) -> None:
    """A cold listing of the market: photos, facts, and where it lands."""
    view = opened.view
    row = view.market.listing_row.get(listing)
    if row is None:
        st.title("Cold start", anchor=False)
        empty(
            f"There is no listing “{listing}” in this market",
            "The link may be of another market, or the listing was removed since.",
            icon=":material/link_off:",
            action="Choose a listing",
            on_click=lambda: set_params(listing=None),
        )
        return
    with st.container(horizontal=True):
        st.button(
            "Choose another",
            icon=":material/arrow_back:",
            on_click=lambda: set_params(listing=None),
            key="another",
        )
        st.button(
            "Change its values",
            icon=":material/edit:",
            on_click=fill_form,
            args=(opened, row),
            help="Take its values into the form for a new listing",
        )
    st.title(plain(view.title(row)), anchor=False)
    touched = int(cold_listings(opened).touches[row])
    later, end = later_users(opened, row), training_end(opened)
    cold = not touched or (end is not None and not _before(opened, row, end))
    if not touched:
        st.caption("Nobody touched this listing yet.")
    elif cold:
        st.caption(f"{count(touched, 'event')}, all after training ended: the model never saw one of them.")
    elif end is None:
        st.caption(f"This listing is not cold: it had {count(touched, 'event')}.")
    else:
        st.caption(f"This listing is not cold: it had events before training ended, {touched:,} in all.")
    photos = photo_cards(opened, row, LARGE)
    if photos:
        gallery(photos, key="photos", box=opened.box, label="Photos of this listing", layout="mosaic")
    facts = [f"{label}: {value}" for label, value in view.facts(row, view.headline)]
    st.markdown(plain("  ·  ".join(facts)))
    place = opened.run.listing_row.get(listing)
    if place is None:
        empty(
            "This listing is newer than the run",
            "The market changed since the run was made. Embed the market anew with vibes embed.",
        )
        return
    space = space_switch(opened)
    if space is None:
        return
    vector, placed = opened.run.vectors(space)[place], None
    if not np.any(vector):
        st.caption(f"This listing has nothing in the space “{label_of(space)}”. Choose another.")
    else:
        placed = Placement(view.title(row), space, vector, opened.run.similar(listing, 30, space), place)
        neighbours(opened, placed)
    if opened.run.has_model:
        model = Placement(
            view.title(row), "model", opened.run.vectors("model")[place], opened.run.similar(listing), place
        )
        first_users(opened, model, end if later and cold else None, later if cold else set())
    else:
        st.caption(missing_spaces(opened)[0])
    if placed is not None:
        place_among_all(opened, placed)


def entered(opened: OpenRun) -> None:
    """A listing of one's own: where to begin, then the form and beside it where the listing lands, at every change."""
    tell_left_out(opened)
    if not begun(opened) and not st.session_state.get(PHOTOS):
        beginning(opened)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        _fill_in(opened, "Another listing")
        st.button("Empty the form", icon=":material/delete_sweep:", on_click=fill_form, args=(opened, None))
    left, right = st.columns([2, 3], gap="large")
    with left:
        cells, photos = newcomer_form(opened)
    with right, boundary():
        landing(opened, cells, photos)


def beginning(opened: OpenRun) -> None:
    """The ways into the form: any listing, one of a few, or empty fields."""
    st.markdown(
        "Begin with a listing of the market, then change a value or a photo: its neighbours, its place among all and who "
        "would get it first follow at once. Nothing is stored."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        _fill_in(opened, "Fill in a listing")
        st.button("Begin with empty fields", icon=":material/edit:", on_click=fill_form, args=(opened, None))
    rows = np.random.default_rng(0).permutation(len(opened.view))
    photographed = [row for row in rows if opened.view.photos(int(row))]
    cards = []
    for row in (photographed or rows)[:OFFERED]:
        link = address(opened, "cold", view="new", like=opened.view.ids[int(row)])
        cards.append(listing_card(opened, int(row), href=link))
    gallery(
        cards,
        key="begin-with",
        box=opened.box,
        label="Listings to begin with",
        photos=opened.view.has_photos,
    )


def _fill_in(opened: OpenRun, label: str) -> None:
    st.button(
        label,
        icon=":material/casino:",
        on_click=lambda: fill_form(opened, int(np.random.default_rng().integers(len(opened.view)))),
        help="The values and photos of one drawn by chance, to change from there",
        key="fill-in",
    )


def landing(opened: OpenRun, cells: dict[str, Any], photos: list[tuple[str, bytes]]) -> None:
    """Where an entered listing lands."""
    title = str(cells.get(opened.view.market.title or "", "")) or "The new listing"
    st.header(plain(title), anchor=False)
    if not cells and not photos:
        st.markdown(
            "Fill in what is known; where the listing lands is shown here at once. Nothing is stored."
        )
        return
    photos = usable(photos)
    contents = [content for _, content in photos]
    can_launch = opened.run.has_model and opened.view.has_events
    top = st.container()
    space = space_switch(opened)
    if space is None:
        return
    told, place, reached, advice = st.container(), st.container(), st.container(), st.container()
    with told, st.spinner("Encoding the listing …"):
        try:
            found = encoded(opened, space, cells, contents)
        except VibesError as error:
            if st.session_state.get(PHOTOS):
                raise
            photos, contents = [], []  # those that it began with: it goes on without them
            found = encoded(opened, space, cells, [])
            st.caption(plain(f"Its photos do not count here. {sentence_of(error)}"))
    for number, reason in found.broken:
        told.warning(plain(f"{photos[number][0]} is left out: {reason}."), icon=":material/broken_image:")
    if can_launch:
        with top:
            sliders(opened, cells, len(contents))
            launched = reach(opened, cells, contents)  # first: it is what a value is dragged for
    if space not in found.vectors:
        why = "Add a photo." if space == "photos" else "Fill in at least one value."
        empty(f"The listing has nothing in the space “{label_of(space)}”", why)
    else:
        placed = Placement(title, space, found.vectors[space], found.nearest(opened.run, space, 30))
        with place, boundary():
            place_among_all(opened, placed)
        neighbours(opened, placed, least=150, begun_with=st.query_params.get("like"))
    if can_launch:
        with reached:
            people(opened, launched)
            competing(opened, launched)
    if can_launch:
        with advice:  # last: what is asked for first is seen first
            advised(opened, cells, contents)


def _before(opened: OpenRun, row: int, end: int) -> bool:
    log = opened.view.log
    return bool(((log.listing == row) & (log.time < end) & log.wanted).any())


with boundary():
    page()
