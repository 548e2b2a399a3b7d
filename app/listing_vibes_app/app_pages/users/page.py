"""Users: a history, and what would be recommended as of any moment in it."""

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.selection.pages import as_of
from listing_vibes.insight.selection.params import adds_its_own
from listing_vibes.insight.selection.selection import Selection
from listing_vibes_app.app_pages.users.attributions import attributions
from listing_vibes_app.app_pages.users.known import Known, known_until
from listing_vibes_app.app_pages.users.user_picker import choose_any_user, choose_user, user_picker
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.dials import dial_button, dial_sliders, new_dial
from listing_vibes_app.kit.empty import empty, to_similar
from listing_vibes_app.kit.gallery import Card, Reason, gallery
from listing_vibes_app.kit.list_options import ListOptions, additions, beside_switch, put_there, rules_button
from listing_vibes_app.kit.measures import user_score_help
from listing_vibes_app.kit.nothing_listed import nothing_listed
from listing_vibes_app.kit.notices import untrained_caption
from listing_vibes_app.kit.popular import popular
from listing_vibes_app.kit.switch import how_many
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import BY_RUN, OpenRun, current_run, known_rows
from listing_vibes_app.view import formats
from listing_vibes_app.view.history import touched_later

BEFORE, AFTER = 50, 20  # events shown around the moment; a model reads at most 50 of a history
SHOWN = [6, 12, 30, 60]
DAY = 86_400_000_000_000
CARRIED = (
    "Below each recommendation, what carried it: two events and the attribute or photo, how much lower the model's similarity "
    "gets without it, and at which other place the listing would stand then."
)


def page() -> None:
    """The whole page."""
    opened = current_run()
    view = opened.view
    user = st.query_params.get("user")
    if not view.has_events or user is None:
        st.title("Users", anchor=False)
    if not view.has_events:
        empty(
            "This market has no events",
            "Without events there are no users. A history made by hand gets recommendations all the same.",
            icon=":material/person_off:",
        )
        st.page_link(page_file("simulate"), label="Simulate a user", icon=":material/person_edit:")
        to_similar()
        return
    if user is None:
        user_picker(opened)
        return
    number = view.user_row.get(user)
    if number is None:
        st.title("Users", anchor=False)
        empty(
            f"There is no user “{user}” in this market",
            "The link may be of another market, or the user has no events.",
            icon=":material/link_off:",
            action="Choose a user",
            on_click=choose_user,
            args=(None,),
        )
        popular(opened)
        return
    with st.container(horizontal=True):
        st.button(
            "Choose another", icon=":material/arrow_back:", on_click=choose_user, args=(None,), key="another"
        )
        st.button("Any user", icon=":material/casino:", on_click=choose_any_user, args=(view, 2))
    st.title(formats.plain(view.user_name(number)), anchor=False)
    known = history(opened, number)
    recommendations(opened, number, known)


def history(opened: OpenRun, user: int) -> Known:
    """The timeline and the slider over it; what counts as known."""
    log = opened.view.log
    start, end = int(log.start[user]), int(log.start[user + 1])
    total = end - start
    known = known_until(opened, user)
    at = known.events
    span = ""
    if log.timed:
        days = [formats.moment(int(log.time[row])) for row in (start, end - 1)]
        span = f" on {days[0]}" if days[0] == days[1] else f" from {days[0]} to {days[1]}"
    later = total - at
    st.markdown(
        f"**{formats.count(total, 'event')}**{span}. Known here: {at:,}."
        + (f" Kept back: {later:,}." if later else " Nothing is kept back.")
    )
    first, last = max(start, start + at - BEFORE), min(end, start + at + AFTER)
    hidden = [
        f"{first - start:,} earlier" if first > start else "",
        f"{end - last:,} later" if last < end else "",
    ]
    if any(hidden):
        st.caption(" and ".join(filter(None, hidden)) + " events are not drawn.")
    gallery(
        timeline(opened, start, first, last, known),
        key="history",
        box=opened.box,
        label="History, oldest first",
        layout="strip",
        photos=opened.view.has_photos,
        least=150 if opened.view.has_photos else 190,
        examples=True,
    )
    return known


def timeline(opened: OpenRun, start: int, first: int, last: int, known: Known) -> list[Card]:
    """A card for each event row `first` to `last` of the log; those after the moment look and read as later, but for those of
    the day that is looked at."""
    log, at = opened.view.log, known.events
    today = at + known.of_day
    clock = log.timed and bool(np.any(log.time[first:last] % DAY))
    cards = []
    for event in range(first, last):
        place = event - start
        when = formats.moment(int(log.time[event]), clock) if log.timed else f"Event {place + 1:,}"
        facts: list[tuple[str, str]] = []
        if log.action[event] >= 0:
            facts.append((formats.words(log.actions[log.action[event]]), ""))
        if np.isfinite(log.duration[event]):
            facts.append(("Time spent", formats.duration(float(log.duration[event]))))
        card = listing_card(
            opened,
            int(log.listing[event]),
            step=when,
            divider=_divider(place, at, today),
            tone="hit"
            if at <= place < today
            else "later"
            if place >= at
            else "start"
            if place == at - 1
            else "",
        )
        cards.append(Card(**{**card.__dict__, "facts": facts}))
    return cards


def _divider(place: int, at: int, today: int) -> str:
    if place == at - 1:
        return "As of here"
    if place == at:
        return "That day" if today > at else "Later"
    return "Later" if place == today else ""


def recommendations(opened: OpenRun, user: int, known: Known) -> None:
    """What the model recommends as of the moment, with what the user touched later marked."""
    view, at = opened.view, known.events
    if not at:
        empty(
            "Nothing is known of this user before that day",
            "Go to a later day, or look at the history event by event.",
            action="Go to the last day",
            on_click=known.to_last,
            key="to-last-day",
        )
        popular(opened)
        return
    st.header("Recommended", anchor=False)
    untrained_caption(opened)
    offered = additions(opened)
    row = "labelled-added" if offered or adds_its_own(opened.run) else "labelled-many"
    with st.container(horizontal=True, vertical_alignment="bottom", key=row):
        beside = beside_switch(opened, offered)
        k = how_many(SHOWN)
        options = ListOptions(rules_button(opened), beside, adds_its_own(opened.run))
        dial_button()
    place_of_dial = dial_sliders(opened, options.rules)
    with st.spinner("Ranking listings …"):
        asked = selection(opened, user, known, k, options)
        found = _recommended(opened, asked)
    rows = known_rows(opened, found["listing_id"])
    new_dial(opened, place_of_dial, [row for _, row in rows], options.rules)
    if not rows:
        nothing_listed(
            opened,
            asked.at,
            options.rules,
            "No listing was live at that moment and passes the rules, or all were already in the history. Take a rule away, or try "
            "another moment.",
            "Go to the last event",
            lambda: set_params(at=int(np.diff(view.log.start)[user]), day=None),
        )
        return
    later = touched_later(opened.view, user, at)
    today = touched_later(opened.view, user, at, known.of_day)
    hits = sum(row in later for _, row in rows)
    if known.day:
        st.markdown(_of_day(known, rows, later, today))
    elif later:
        st.markdown(
            f"**{hits} of these {len(rows)}** {'was' if hits == 1 else 'were'} touched later. "
            f"In all, {formats.count(len(later), 'new listing')} {'was' if len(later) == 1 else 'were'} touched later."
        )
    elif at < int(np.diff(view.log.start)[user]):
        start, end = view.log.start[user : user + 2]
        st.caption(
            "All listings touched later were in the history already, and recommendations leave those out."
            if view.log.wanted[start + at : end].any()
            else "All that came later says “not this”, so no recommendation can be checked."
        )
    else:
        st.caption(
            "Nothing is kept back here, so no recommendation can be checked. Move the slider to an earlier event."
        )
    carried: list[list[Reason]] = [[] for _ in found.index]
    if opened.run.has_model:  # reasons are of the model's similarity
        with st.spinner("Leaving out one part at a time …"):
            carried = attributions(opened, user, at, known.moment, found["listing_id"].tolist(), options)
        st.caption(CARRIED)
    cards = [
        listing_card(
            opened,
            row,
            score=f"{options.score} {found['score'][place]:.2f}{put_there(found, place)}",
            badge="touched that day" if row in today else "touched later" if row in later else "",
            tone="hit" if row in later else "",
            reasons=carried[place],
        )
        for place, row in rows
    ]
    gallery(
        cards,
        key="recommended",
        box=opened.box,
        label="Recommendations, the best first",
        photos=view.has_photos,
        score_help=user_score_help(opened, beside, options.rules.moves_scores),
        examples=True,
    )
    as_code(opened, [asked])


def selection(opened: OpenRun, user: int, known: Known, k: int, options: ListOptions) -> Selection:
    """What gives the recommendations as of what is known of a user."""
    asked, moment, history = as_of(opened.run, user, known.events)
    if known.day:
        asked, moment, history = opened.view.log.users[user], known.date, ()
    return Selection(
        "recommend", asked, k, at=moment, history=history, rules=options.rules, beside=options.beside
    )


def _of_day(known: Known, rows: list[tuple[int, int]], later: set[int], today: set[int]) -> str:
    """What of the list the user touched on the day, and later."""
    found = {row for _, row in rows}
    line = f"As the list would have been on the morning of {known.day}. "
    if today:
        line += f"**{len(found & today)} of {formats.count(len(today), 'new listing')}** touched that day {'is' if len(found & today) == 1 else 'are'} in it"
    else:
        line += "No new listing was touched that day"
    more = len(found & later - today)
    return line + (f"; {more} more {'was' if more == 1 else 'were'} touched later." if later - today else ".")


@st.cache_data(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def _recommended(opened: OpenRun, selection: Selection) -> pd.DataFrame:
    return selection.frame(opened.run)


with boundary():
    page()
