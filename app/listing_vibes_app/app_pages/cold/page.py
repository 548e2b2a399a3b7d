"""Launch a listing: a draft of a new one, the listings without events, and how recall depends on what is known."""

from typing import Any

import numpy as np
import streamlit as st

from listing_vibes.errors import VibesError, sentence_of
from listing_vibes.insight.audience import audience_share
from listing_vibes.insight.quality import not_measured, stability_evidence
from listing_vibes_app.app_pages.cold.draft import (
    UPLOADS,
    can_launch,
    draft_form,
    start_draft,
    start_row,
    warn_photo,
)
from listing_vibes_app.app_pages.cold.landing import (
    Placement,
    first_users,
    last_lists,
    neighbors,
    place_on_map,
)
from listing_vibes_app.app_pages.cold.launching import (
    encode_draft,
    prepare_drafts,
    reach,
    show_advice,
    show_audience,
    show_prices,
)
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.controls import any_listing, beside, button, page_of, switch
from listing_vibes_app.kit.evidence import show_bars
from listing_vibes_app.kit.gallery import gallery, listing_card, listing_panel, page_url
from listing_vibes_app.kit.list_options import read_selections
from listing_vibes_app.kit.notices import empty, to_similar, unknown
from listing_vibes_app.kit.spaces import label_of, space_switch
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import OpenRun, current_run, rank
from listing_vibes_app.server.warm import warm
from listing_vibes_app.view.formats import count, plain

PAGE = 24
VIEWS = {"new": "A new listing", "listings": "New in the market", "figures": "How well it works"}
SETS = {"none": "No event at all", "later": "First event after training"}


def page() -> None:
    """Draw the page."""
    opened = current_run()
    listing = st.query_params.get("listing")
    if listing is not None:
        cold_listing(opened, listing)
        return
    st.title("Launch a listing", anchor=False)
    if can_launch(opened):
        warm(opened, "drafts", prepare_drafts)
    with st.container(horizontal=True, vertical_alignment="center"):
        view = switch("Show", "view", VIEWS, "new", label_visibility="collapsed")
        if view == "new":
            any_listing(opened, lambda row: start_draft(opened, row), "Another listing")
            button("Empty the form", "delete_sweep", lambda: start_draft(opened, None))
    match view:
        case "listings":
            choose_listing(opened)
        case "figures":
            show_recall(opened)
        case _:
            new_listing(opened)


def event_counts(opened: OpenRun) -> tuple[np.ndarray, np.ndarray]:
    """Return (L,) the events of each listing before and after the end of training; all are before if that is unknown."""
    if not opened.view.has_events:
        return np.zeros(len(opened.view), int), np.zeros(len(opened.view), int)
    log, end = opened.view.log, training_end(opened)
    before = log.counts() if end is None else log.counts(log.time < end)
    return before, log.counts() - before


def training_end(opened: OpenRun) -> int | None:
    """Return when the training of the run's model ended, in the log's time; None if there is no such moment."""
    return opened.run.trained_until if opened.run.has_model and opened.view.market.timed else None


def choose_listing(opened: OpenRun) -> None:
    """Show the cold listings, to choose one, those with the largest audience first."""
    before, after = event_counts(opened)
    rows = {
        "none": np.flatnonzero(before + after == 0),
        "later": np.flatnonzero((before == 0) & (after > 0)),
    }
    filled = {name: f"{SETS[name]} ({len(rows[name]):,})" for name in SETS if len(rows[name])}
    if not filled:
        why = "Every listing had an event while the model was trained. A draft of a new listing is cold."
        empty("No listing is cold", why, "Add a listing", lambda: set_params(view="new"))
        return
    which = max(filled, key=lambda name: len(rows[name]))  # the first screen has the most to choose from
    if len(filled) > 1:
        which = switch("Which", "set", filled, which, clears=("page",))
    meaning = "no event at all" if which == "none" else "their first event after training ended"
    line = f"{len(rows[which]):,} of {count(len(opened.view), 'listing')} have {meaning}. Choose one to see where it lands."
    cards, audience = [], None
    if opened.view.has_events:
        line += " The largest audience comes first."
        with st.spinner("Ranking for the users …"):
            lists, population = last_lists(opened, None)
        audience = lists["listing_id"].value_counts().reindex(opened.view.ids, fill_value=0).to_numpy()
        rows[which] = rows[which][np.argsort(-audience[rows[which]], kind="stable")]
    for row in map(int, page_of(rows[which], PAGE, line)):
        events = f"{count(int(after[row]), 'event')}, all after training" if after[row] else "No event"
        share = "" if audience is None else f"{audience_share(population.share(audience[row]))} · "
        link = page_url(opened, "cold", listing=opened.view.ids[row])
        cards.append(listing_card(opened, row, score=share + events, href=link))
    label = "Cold listings to choose from"
    gallery(opened, cards, key="cold", label=label, photos=any(card.photo for card in cards))


def show_recall(opened: OpenRun) -> None:
    """Show the recall by what is known of a listing and a user, or why it is missing."""
    if not opened.run.metrics or not opened.run.metrics.get("stability"):
        st.markdown(plain(not_measured(opened.run)))
        to_similar()
        return
    for evidence in stability_evidence(opened.run):
        st.header(evidence.headline, anchor=False)
        if evidence.bars:
            show_bars(evidence.key, evidence.bars, evidence.picture)
        else:
            st.caption(evidence.sentence)


def cold_listing(opened: OpenRun, listing: str) -> None:
    """Show a listing of the market: its photos, attributes, neighbors, users and position on the map."""
    view, row = opened.view, opened.view.market.listing_row.get(listing)
    if row is None:
        st.title("Launch a listing", anchor=False)
        unknown("listing", listing, "Choose a listing", lambda: set_params(listing=None, view="listings"))
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(plain(view.title(row)), anchor=False, width="content")
        with st.container(horizontal=True, width="content"):
            button(
                "Choose another",
                "arrow_back",
                lambda: set_params(listing=None, view="listings"),
                key="another",
            )
            button("Change its values", "edit", lambda: start_draft(opened, row))
    before, after = (int(counts[row]) for counts in event_counts(opened))
    left, right = beside()
    with left:
        if before:
            st.caption(f"This listing is not cold: it had {count(before, 'event')} before training ended.")
        elif after:
            st.caption(f"{count(after, 'event')}, all after training ended: the model never saw one of them.")
        else:
            st.caption("No user interacted with this listing yet.")
        listing_panel(opened, row)
    with right:
        end = training_end(opened) if after and not before else None
        show_landing(opened, row, end)


def show_landing(opened: OpenRun, row: int, end: int | None) -> None:
    """Show the first users of a listing, its neighbors and its position on the map.

    Args:
        end: the end of the training if all events of the listing came later.
    """
    view, listing = opened.view, opened.view.ids[row]
    first_users(opened, listing, end, set() if end is None else later_users(opened, row, end))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        space = space_switch(opened)
        export = st.container(width="content")
    vector = opened.run.vectors(space)[row]
    if not np.any(vector):
        st.caption(f"This listing has nothing in the space “{label_of(space)}”. Choose another.")
        return
    selections = read_selections(opened, "cold")
    placed = Placement(view.title(row), space, vector, rank(opened, selections[0]), row)
    place_on_map(opened, placed)
    neighbors(opened, placed)
    with export:
        as_code(opened, selections)


def later_users(opened: OpenRun, row: int, end: int) -> set[str]:
    """Return the users who interacted with a listing after a moment."""
    log = opened.view.log
    rows = np.flatnonzero((log.listing == row) & (log.time >= end) & log.is_positive)
    return {log.users[number] for number in log.user[rows]}


def new_listing(opened: OpenRun) -> None:
    """Show a draft, first an example: the form next to its audience, neighbors and position, updated with every change."""
    left, right = st.columns([2, 3], gap="large")
    with left, st.container(key="pinned"):
        cells, photos = draft_form(opened)
    with right, boundary():
        landing(opened, cells, photos)


def landing(opened: OpenRun, cells: dict[str, Any], photos: list[tuple[str, bytes]]) -> None:
    """Show the neighbors, the users and the position of a draft."""
    title = str(cells.get(opened.view.market.title or "", "")) or "The new listing"
    st.header(plain(title), anchor=False)
    if not cells and not photos:
        st.markdown(
            "Fill in what is known; where the listing lands is shown here at once. Nothing is stored."
        )
        return
    launches = can_launch(opened)
    contents, top = [content for _, content in photos], st.container()
    space = space_switch(opened)
    with st.spinner("Encoding the listing …"):
        try:
            result = encode_draft(opened, space, cells, contents)
        except VibesError as error:
            if st.session_state.get(UPLOADS):
                raise
            contents = []  # photos of the listing that it started from: the draft continues without them
            result = encode_draft(opened, space, cells, contents)
            st.caption(plain(f"Its photos do not count here. {sentence_of(error)}"))
    for number, reason in result.broken:
        warn_photo(f"{photos[number][0]} is left out: {reason}.")
    if launches:
        with top:
            launched = reach(opened, cells, contents)
            show_prices(opened, cells, contents, launched.share)
            best = st.empty()
            show_audience(opened, launched)
    if space in result.vectors:
        placed = Placement(title, space, result.vectors[space], opened.run.nearest(result.scores[space]))
        with boundary():
            place_on_map(opened, placed)
        row = start_row(opened)
        neighbors(opened, placed, least=150, started_from=None if row is None else opened.view.ids[row])
    else:
        why = "Add a photo." if space == "photos" else "Fill in at least one value."
        action = (
            "Compare by photos" if contents and "photos" in opened.run.spaces and space != "photos" else ""
        )
        title = f"The listing has nothing in the space “{label_of(space)}”"
        empty(title, why, action, lambda: set_params(space="photos"))
    if launches:
        show_advice(opened, cells, contents, best)  # last, because it takes longest


page()
