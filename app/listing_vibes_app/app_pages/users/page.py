"""Users: a history, and the recommendations as of any moment in it."""

import numpy as np
import streamlit as st

from listing_vibes.insight.days import market_days
from listing_vibes_app.app_pages.users.history import Known, later_listings, show_history
from listing_vibes_app.app_pages.users.picker import choose_user, picker
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.controls import NAME, any_user, button, load_more
from listing_vibes_app.kit.dials import dial_sliders, new_dial
from listing_vibes_app.kit.gallery import gallery, listing_card
from listing_vibes_app.kit.list_options import list_options, nothing_listed, read_selections, rule_notes
from listing_vibes_app.kit.notices import empty, popular, to_similar, unknown, untrained_caption
from listing_vibes_app.kit.why import because, why_listed, why_url
from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import OpenRun, current_run, rank, rows_of
from listing_vibes_app.view import formats

SIGHT = 6  # first recommendations, which are in sight beside the sentence on one of them


def page() -> None:
    """Draw the page."""
    opened = current_run()
    view, user = opened.view, st.query_params.get("user")
    number = opened.run.user_number.get(user) if view.has_events and user is not None else None
    if number is not None:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.title(formats.plain(view.user_name(number)), anchor=False, width="content")
            with st.container(horizontal=True, width="content"):
                button("Choose another", "arrow_back", lambda: choose_user(None), key="another")
                any_user(opened, lambda user: choose_user(view.log.users[user]))
        show_recommendations(opened, number, show_history(opened, number))
        return
    st.title("Users", anchor=False)
    if not view.has_events:
        why = "Without events there are no users. You can still get recommendations for a simulated history."
        empty("This market has no events", why)
        st.page_link(page_file("simulate"), label="Simulate a user", icon=":material/person_edit:")
        to_similar()
    elif user is None:
        picker(opened)
    else:
        unknown("user", user, "Choose a user", lambda: choose_user(None))
        popular(opened)


def show_recommendations(opened: OpenRun, user: int, known: Known) -> None:
    """Show the recommendations as of the moment, and mark the listings that the user interacted with later."""
    if not known.events:
        days = market_days(opened.run)
        last = days.date(len(days) - 1) if days else None
        why = "Go to a later day, or look at the history event by event."
        title = "Nothing is known of this user before that day"
        empty(title, why, "Go to the last day", lambda: set_params(**{NAME: last}))
        popular(opened)
        return
    untrained_caption(opened)
    with st.container(horizontal=True, vertical_alignment="center", key="labelled-list"):
        st.header("Recommended", anchor=False, width="content")
        hits = st.container(width="stretch")
        rules = list_options(opened, users=True)
        export = st.container(width="content")
    dials = dial_sliders(opened, rules)
    (selection,) = read_selections(opened, "users")
    with st.spinner("Ranking listings …"):
        result = rank(opened, selection)
    rows = rows_of(opened, result["listing_id"])
    new_dial(opened, dials, rows, rules)
    if not rows:
        total = int(np.diff(opened.view.log.start)[user])
        why = "No listing active at that moment passes the rules, or all are in the history already."
        way_out = "Go to the last event", lambda: set_params(at=total, day=None)
        nothing_listed(opened, selection, why, way_out)
        return
    later = later_listings(opened.view, user, known.events)
    today = later_listings(opened.view, user, known.events, known.of_day)
    hits.markdown(describe_hits(known, set(rows), later, today))
    notes, ids = rule_notes(result), opened.view.ids
    if opened.run.has_model:
        place = next((place for place, row in enumerate(rows[:SIGHT]) if row in later), 0)
        opened_later = ", which the user opened later" if rows[place] in later else ""
        because(opened, selection, ids[rows[place]], f"No. {place + 1}{opened_later}:")
    cards = [
        listing_card(
            opened,
            row,
            rank=place + 1,
            score=notes[place],
            badge="that day" if row in today else "interacted later" if row in later else "",
            tone="hit" if row in later else "",
            why=why_url(opened, "users", ids[row]),
        )
        for place, row in enumerate(rows)
    ]
    label = "Recommendations, the best first"
    gallery(opened, cards, key="recommended", label=label, least=210, examples=True)
    load_more(len(cards))
    why_listed(opened, [selection])
    with export:
        as_code(opened, [selection])


def describe_hits(known: Known, shown: set[int], later: set[int], today: set[int]) -> str:
    """Return a sentence with the number of listings in `shown` that the user interacted with on the day, and later."""
    if known.day:
        line = f"The list as of the morning of {known.day}: **{len(shown & today)} of {formats.count(len(today), 'new listing')}** "
        return line + f"of that day, and {len(shown & later - today):,} of {len(later - today):,} later ones."
    if later:
        new = formats.count(len(later), "new listing")
        hits = len(shown & later)
        return f"**{hits} of these {len(shown)}** {'is' if hits == 1 else 'are'} among the {new} that the user interacted with later."
    return "The user interacted with no new listing later, so no recommendation can be checked."


page()
