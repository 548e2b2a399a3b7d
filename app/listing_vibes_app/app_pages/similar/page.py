"""Similar listings: one listing, and what is like it in a space of your choice."""

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.run.rules import Rules
from listing_vibes_app.app_pages.similar.explanation import why_dialog
from listing_vibes_app.app_pages.similar.filter_bar import filters, filters_button, filters_line
from listing_vibes_app.app_pages.similar.listing_picker import choose, choose_any, picker
from listing_vibes_app.app_pages.similar.neighbours import asked, one_space, side_by_side
from listing_vibes_app.kit.cards import photo_cards
from listing_vibes_app.kit.dials import dial_button, dial_sliders, new_dial
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.gallery import gallery
from listing_vibes_app.kit.list_options import rules_button
from listing_vibes_app.kit.spaces import label_of, missing_spaces, space_switch
from listing_vibes_app.kit.switch import how_many, switch
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.photos import LARGE
from listing_vibes_app.server.runs import OpenRun, current_run
from listing_vibes_app.view.formats import count, plain

SHOWN = [6, 12, 24, 48]
MANY = 8  # attributes that stand in one column where there are no photos
MOST, FIRST = (
    24,
    16,
)  # told at once; of more than MOST the FIRST, as all would push what is alike out of sight
VIEWS = {"cards": "Cards", "lineup": "Line up", "spaces": "All spaces"}


def page() -> None:
    """The whole page."""
    opened = current_run()
    listing = st.query_params.get("listing")
    if listing is None:
        st.title("Similar listings", anchor=False)
        picker(opened)
        return
    row = opened.view.market.listing_row.get(listing)
    if row is None:
        st.title("Similar listings", anchor=False)
        empty(
            f"There is no listing “{listing}” in this market",
            "The link may be of another market, or the listing was removed since.",
            icon=":material/link_off:",
            action="Choose a listing",
            on_click=choose,
            args=(None,),
        )
        return
    query(opened, row)
    neighbours(opened, row)


def query(opened: OpenRun, row: int) -> None:
    """The listing that is compared: all photos, all attributes."""
    view = opened.view
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Choose another", icon=":material/arrow_back:", on_click=choose, args=(None,), key="another"
        )
        st.button(
            "Any listing",
            icon=":material/casino:",
            on_click=choose_any,
            args=(opened,),
            help="One drawn by chance",
        )
    st.title(plain(view.title(row)), anchor=False)
    cards, facts = photo_cards(opened, row, LARGE), view.facts(row)
    shown = len(facts) if len(facts) <= MOST else FIRST
    if cards:
        left, right = st.columns([3, 2] if len(cards) > 1 else [2, 3], gap="large")
        with left:
            gallery(cards, key="photos", box=opened.box, label="Photos of this listing", layout="mosaic")
        with right:
            facts_table(facts[:shown])
    else:
        if view.has_photos:
            st.caption("This listing has no photo.")
        if len(facts) > MANY:
            halves(facts[:shown])
        else:
            with st.container(width=620):  # a table of a width of its own would cut long texts off
                facts_table(facts)
    if facts[shown:]:
        with st.expander(count(len(facts) - shown, "more attribute")):
            halves(facts[shown:])


def halves(facts: list[tuple[str, str]]) -> None:
    """Attributes in two tables side by side, so that what is like the listing stays in sight."""
    half = -(-len(facts) // 2)
    for column, part in zip(st.columns(2, gap="large"), (facts[:half], facts[half:]), strict=True):
        with column:
            facts_table(part)


def facts_table(facts: list[tuple[str, str]]) -> None:
    """Attributes of a listing (label, value with its unit)."""
    if facts:
        table = pd.DataFrame([plain(value) for _, value in facts], [plain(label) for label, _ in facts])
        st.table(table, hide_header=True, border="horizontal", alt="Attributes of this listing")


def neighbours(opened: OpenRun, row: int) -> None:
    """Controls, then the neighbours."""
    view = opened.view
    st.header("What is like it", anchor=False)
    if len(view) == 1:
        empty(
            "There are no neighbours",
            "This market has one listing only, so there is nothing to compare it with.",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-neighbours"):
        space = space_switch(opened)
        how = switch("Show as", "view", VIEWS, "cards")
        k = how_many(SHOWN)
        filters_button(opened, row)
        rules = rules_button(opened, users=False)
        dial_button()
    place_of_dial = dial_sliders(opened, rules)
    for reason in missing_spaces(opened):
        st.caption(reason)
    rows = listed(opened, row, space, how, k, rules) if space is not None else []
    new_dial(opened, place_of_dial, rows, rules)


def listed(opened: OpenRun, row: int, space: str, how: str, k: int, rules: Rules) -> list[int]:
    """The neighbours as they are to be shown, or why there are none; their rows."""
    view = opened.view
    place = opened.run.listing_row.get(view.ids[row])
    if place is None:
        empty(
            "This listing is newer than the run",
            "The market changed since the run was made. Embed the market anew with vibes embed.",
        )
        return []
    st.caption(filters_line(opened, filters(opened).mask(view.market, row), row))
    rules = filters(opened).rules(view.market, row, rules)
    if how == "spaces":
        return side_by_side(opened, row, opened.run.spaces, k, rules)
    if not np.any(opened.run.vectors(space)[place]):
        other = [
            name for name in opened.run.spaces if name != space and np.any(opened.run.vectors(name)[place])
        ]
        empty(
            f"This listing has nothing in the space “{label_of(space)}”",
            nothing_in(opened, row, space),
            action=f"Compare by {label_of(other[0]).lower()}" if other else "",
            on_click=lambda: set_params(space=other[0]),
        )
        return []
    shown = one_space(opened, row, asked(opened, row, space, k, rules), rules, how)
    why_dialog(opened, row, space)
    return shown


def nothing_in(opened: OpenRun, row: int, space: str) -> str:
    """Why a listing has nothing in a space."""
    if space != "photos":
        return "None of its values is known."
    if opened.view.photos(row):
        return "None of its photos could be read, or nothing tells them from those of all other listings."
    return "It has no photo."


with boundary():
    page()
