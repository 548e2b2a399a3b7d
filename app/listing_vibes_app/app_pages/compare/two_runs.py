"""Two runs side by side: neighbors of one listing, or recommendations to one user."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.selection.page_lists import Selection, example_listing, example_user
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.controls import (
    any_listing,
    any_user,
    beside,
    event_slider,
    search_box,
    select,
    switch,
)
from listing_vibes_app.kit.gallery import gallery, listing_card, listing_panel
from listing_vibes_app.kit.list_options import read_selections, score_lines
from listing_vibes_app.kit.notices import empty, unknown
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.server.boundary import describe_error
from listing_vibes_app.server.params import hold, set_params
from listing_vibes_app.server.runs import (
    OpenRun,
    open_run,
    rank,
    rows_of,
    run_facts,
    run_label,
    run_paths,
    run_title,
    search_index,
)
from listing_vibes_app.view.formats import ordinal, plain


def two_runs(opened: OpenRun) -> None:
    """Show the lists of two runs for a chosen listing or user, and what they have in common."""
    others = [name for name in run_paths() if name != opened.name]
    if not others:
        why = "Start the explorer with two or more runs to see them side by side: vibes explore RUN OTHER-RUN"
        empty("There is only one run", why)
        return
    market = run_facts(opened.name)[0]
    usual = next((name for name in others if run_facts(name)[0] == market), others[0])
    kinds = {"listing": "A listing"} | ({"user": "A user"} if opened.view.has_events else {})
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-runs"):
        label, labels = plain(f"{run_title(opened.name)} against"), {name: run_label(name) for name in others}
        other = open_run(select(label, "with", labels, usual, width=300))
        kind = switch("For", "of", kinds, "listing")
        (find_user if kind == "user" else find_listing)(opened)
    (of_user if kind == "user" else of_listing)(opened, other)


def find_listing(opened: OpenRun) -> None:
    """Draw a search that selects its best match, and a button for a random listing."""

    def take(words: str) -> None:
        rows, _ = search_index(opened).find(words)
        if len(rows):
            set_params(listing=opened.view.ids[int(rows[0])])
        elif words:
            st.toast(plain(f"No listing matches “{words}”. Try fewer or shorter words."), duration="long")

    hint = "Words or an id; the best match is taken"
    st.text_input("Find a listing", type="search", placeholder=hint, width=340, **hold("words", "", take))
    any_listing(opened, lambda row: set_params(listing=opened.view.ids[row]))


def find_user(opened: OpenRun) -> None:
    """Draw a field for a user's id, and a button for a random user."""
    search_box("user", "User id", "An id", width=240)
    any_user(opened, lambda user: set_params(user=opened.view.log.users[user]))


def of_listing(opened: OpenRun, other: OpenRun) -> None:
    """Show the similar listings of both runs for the listing in the URL, or an example."""
    listing = st.query_params.get("listing") or example_listing(opened.run)
    row = opened.view.market.listing_row.get(listing)
    if row is None:
        unknown("listing", listing, "Choose a listing", lambda: set_params(listing=None))
        return
    spaces = {name: label_of(name) for name in opened.run.spaces if name in other.run.spaces}
    if not spaces:
        empty("The two runs have no space in common", "Neither model, photos nor attributes are in both.")
        return
    space = switch("Compare by", "space", spaces, next(iter(spaces)))
    left, right = beside()
    with left:
        st.markdown(f"**{plain(opened.view.title(row))}**")
        listing_panel(opened, row)
    with right:
        show_lists(opened, other, space=space)


def of_user(opened: OpenRun, other: OpenRun) -> None:
    """Show the recommendations of both runs for the user in the URL, or an example."""
    user = st.query_params.get("user") or example_user(opened.run)
    number = opened.run.user_number.get(user)
    if number is None:
        unknown("user", user, "Choose a user", lambda: set_params(user=None))
        return
    st.markdown(f"**{plain(opened.view.user_name(number))}**")
    event_slider(int(np.diff(opened.view.log.start)[number]), "Later events are held out from both runs")
    show_lists(opened, other)


def show_lists(opened: OpenRun, other: OpenRun, **params: str) -> None:
    """Show the list that the URL defines, for each of two runs."""
    (selection,) = read_selections(opened, "compare", **params)
    runs = [opened, other]
    with st.spinner("Ranking by both runs …"):
        lists = [_try_rank(run, selection) for run in runs]
    ids = [[] if isinstance(item, str) else item["listing_id"].tolist() for item in lists]
    if all(ids):
        st.markdown(f"**{len(set(ids[0]) & set(ids[1]))} of {max(map(len, ids))}** are in both lists.")
    for number, (column, item, result) in enumerate(
        zip(st.columns(2, gap="large"), runs, lists, strict=True)
    ):
        with column:
            st.header(plain(run_label(item.name)), anchor=False)
            if isinstance(result, str):
                st.markdown(plain(result))
                continue
            ranks = {listing: place for place, listing in enumerate(ids[1 - number], 1)}
            lines, meaning = score_lines(item, selection, result)
            cards = []
            for place, row in enumerate(rows_of(item, ids[number])):
                other_rank = ranks.get(ids[number][place])
                badge = f"{ordinal(other_rank)} in the other list" if other_rank else ""
                tone = "hit" if other_rank else ""
                cards.append(listing_card(item, row, score=lines[place], badge=badge, tone=tone))
            label = f"The list of {item.name}, the best first"
            gallery(item, cards, key=f"side-{number}", label=label, least=150, score_help=meaning)
    as_code(opened, [replace(selection, label=run.name) for run in runs], runs)


def _try_rank(opened: OpenRun, selection: Selection) -> pd.DataFrame | str:
    """Return a list, or the error if the run cannot make it."""
    try:
        return rank(opened, selection)
    except Exception as error:
        return describe_error(error)
