"""Cold start: listings that nobody touched yet, one entered on the spot, and how recall depends on what is known."""

import numpy as np
import streamlit as st

from app.cold import ColdListings, cold_listings, encoded, later_users, training_end
from app.formats import count, plain
from app.photos import LARGE
from app.session import Current, boundary, chosen, current, keep, set_params
from app.widgets.cards import address, listing_card, photo_cards
from app.widgets.empty import empty
from app.widgets.gallery import Card, gallery
from app.widgets.landing import Landed, first_users, neighbours, place_among_all
from app.widgets.newcomer_form import fill_form, newcomer_form
from app.widgets.pages import page_of
from app.widgets.recall_by import recall_by
from app.widgets.spaces import LABELS, missing_spaces, space_switch
from app.widgets.switch import switch

PAGE = 24
VIEWS = {"listings": "Cold listings", "new": "Add a listing", "figures": "How well it works"}
SETS = {"none": "No event at all", "later": "First touched after training"}


def page() -> None:
    """The whole page."""
    here = current()
    listing = st.query_params.get("listing")
    if listing is not None:
        one(here, listing)
        return
    st.title("Cold start", anchor=False)
    match switch("Show", "view", VIEWS, "listings", label_visibility="collapsed"):
        case "new":
            entered(here)
        case "figures":
            recall_by(here)
        case _:
            choosing(here)


def choosing(here: Current) -> None:
    """The cold listings to choose from."""
    cold = cold_listings(here)
    sizes = {"none": len(cold.untouched), "later": len(cold.later)}
    if not here.view.has_events:
        st.markdown("This market has no events, so every listing is cold.")
    elif not any(sizes.values()):
        empty(
            "No listing is cold",
            "Every listing had an event while the model was trained. A listing entered by hand is cold.",
            action="Add a listing",
            on_click=fill_form,
            args=(here, None),
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
    line = f"{len(rows):,} of {count(len(here.view), 'listing')} have {meaning}. Choose one to see where it lands."
    cards = [card(here, int(row), cold) for row in page_of(rows, PAGE, line)]
    gallery(
        cards,
        key="cold",
        box=here.box,
        label="Cold listings to choose from",
        photos=any(one.photo for one in cards),  # boxes without a single photo in them say nothing
    )


def _other_set() -> None:
    set_params(page=None)
    keep("set", "set", "none")


def card(here: Current, row: int, cold: ColdListings) -> Card:
    """A cold listing as a link to where it lands."""
    touched = int(cold.touches[row])
    score = f"{count(touched, 'event')}, all after training" if touched else "No event"
    plain_card = listing_card(here, row, score=score)
    return Card(**{**plain_card.__dict__, "href": address(here, "cold", listing=here.view.ids[row])})


def one(here: Current, listing: str) -> None:
    """A cold listing of the market: photos, facts, and where it lands."""
    view = here.view
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
            args=(here, row),
            help="Take its values into the form for a new listing",
        )
    st.title(plain(view.title(row)), anchor=False)
    touched = int(cold_listings(here).touches[row])
    later, end = later_users(here, row), training_end(here)
    cold = not touched or (end is not None and not _before(here, row, end))
    if not touched:
        st.caption("Nobody touched this listing yet.")
    elif cold:
        st.caption(f"{count(touched, 'event')}, all after training ended: the model never saw one of them.")
    else:
        st.caption(f"This listing is not cold: it had events before training ended, {touched:,} in all.")
    photos = photo_cards(here, row, LARGE)
    if photos:
        gallery(photos, key="photos", box=here.box, label="Photos of this listing", layout="mosaic")
    facts = [f"{label}: {value}" for label, value in view.facts(row, view.headline)]
    st.markdown(plain("  ·  ".join(facts)))
    place = here.run.listing_row.get(listing)
    if place is None:
        empty(
            "This listing is newer than the run",
            "The market changed since the run was made. Embed the market anew with vibes embed.",
        )
        return
    space = space_switch(here)
    if space is None:
        return
    vector = here.run.vectors(space)[place]
    if not np.any(vector):
        st.caption(f"This listing has nothing in the space “{LABELS[space]}”. Choose another.")
    else:
        landed = Landed(view.title(row), space, vector, here.run.similar(listing, 30, space), place)
        neighbours(here, landed)
        place_among_all(here, landed)
    if here.run.has_model:
        model = Landed(
            view.title(row), "model", here.run.vectors("model")[place], here.run.similar(listing), place
        )
        first_users(here, model, end if later and cold else None, later if cold else set())
    else:
        st.caption(missing_spaces(here)[0])


def entered(here: Current) -> None:
    """The form, and where the listing lands."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Fill in a listing",
            icon=":material/casino:",
            on_click=lambda: fill_form(here, int(np.random.default_rng().integers(len(here.view)))),
            help="The values of one drawn by chance, to change from there",
        )
        st.button("Empty the form", icon=":material/delete_sweep:", on_click=fill_form, args=(here, None))
    draft, cells, photos = newcomer_form(here)
    if not cells and not photos:
        st.markdown("Fill in what is known, then see where the listing lands. Nothing is stored.")
        return
    title = str(cells.get(here.view.market.config.title or "", "")) or "The new listing"
    st.header(plain(title), anchor=False)
    if photos:
        st.image([content for _, content in photos if _is_image(content)], width=150)
    space = space_switch(here)
    if space is None:
        return
    with st.spinner("Encoding the listing …"):
        found = encoded(here, space, draft, cells, [content for _, content in photos])
    for number, reason in found.broken:
        st.warning(plain(f"{photos[number][0]} is left out: {reason}."), icon=":material/broken_image:")
    if space not in found.vectors:
        why = "Add a photo." if space == "photos" else "Fill in at least one value."
        empty(f"The listing has nothing in the space “{LABELS[space]}”", why)
    else:
        landed = Landed(title, space, found.vectors[space], found.nearest(here.run, space, 30))
        neighbours(here, landed)
        place_among_all(here, landed)
    if here.run.has_model:
        model = encoded(here, "model", draft, cells, [content for _, content in photos])
        first_users(
            here,
            Landed(title, "model", model.vectors["model"], model.nearest(here.run, "model", 30)),
            None,
            set(),
        )


def _before(here: Current, row: int, end: int) -> bool:
    log = here.view.log
    return bool(((log.listing == row) & (log.time < end)).any())


def _is_image(content: bytes) -> bool:
    """Whether the browser can be shown the photo."""
    return content[:3] == b"\xff\xd8\xff" or content[:8] == b"\x89PNG\r\n\x1a\n" or content[8:12] == b"WEBP"


with boundary():
    page()
