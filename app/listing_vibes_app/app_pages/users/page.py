"""Users: a history, and the recommendations as of any moment in it."""

from typing import Any

import numpy as np
import streamlit as st

from listing_vibes.insight.days import market_days
from listing_vibes.insight.explain import Explanation, explain
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.run.histories import events_at
from listing_vibes_app.app_pages.users.history import Known, later_listings, show_history
from listing_vibes_app.app_pages.users.picker import choose_user, picker
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.controls import any_user, beside, button, load_more
from listing_vibes_app.kit.days import NAME
from listing_vibes_app.kit.dials import dial_sliders, new_dial
from listing_vibes_app.kit.empty import empty, popular, to_similar, unknown
from listing_vibes_app.kit.gallery import Reason, gallery, listing_card
from listing_vibes_app.kit.list_options import list_options, nothing_listed, read_selections, score_lines
from listing_vibes_app.kit.notices import untrained_caption
from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.photos import cover_url, photo_url
from listing_vibes_app.server.runs import BY_RUN, OpenRun, current_run, rank, rows_of
from listing_vibes_app.view import formats

EVENTS = 2  # most events in an explanation
LEAST = 0.001  # smallest gain of a reason that is shown
BUDGET = 4.0  # seconds; on a busy machine the last cards explain events only
REASONS = (
    "Below each recommendation, its reasons: two events and a part of the listing, how much lower the model's similarity gets "
    "without it, and which rank the listing would have then; and how far each feature of the blend lifts it above the mean "
    "candidate."
)


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
        left, right = beside()
        with left:
            known = show_history(opened, number)
        with right:
            show_recommendations(opened, number, known)
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
    st.markdown(describe_hits(known, set(rows), later, today), help=REASONS)
    reasons: list[list[Reason]] = [[] for _ in result.index]
    if opened.run.has_model:  # the explanation is of the model's similarity
        with st.spinner("Leaving out one part at a time …"):
            reasons = explain_list(opened, user, known, selection, result["listing_id"].tolist())
    lines, meaning = score_lines(opened, selection, result)
    cards = [
        listing_card(
            opened,
            row,
            score=lines[place],
            badge="that day" if row in today else "interacted later" if row in later else "",
            tone="hit" if row in later else "",
            reasons=reasons[place],
        )
        for place, row in enumerate(rows)
    ]
    label = "Recommendations, the best first"
    gallery(opened, cards, key="recommended", label=label, score_help=meaning, examples=True)
    load_more(len(cards))
    with export:
        as_code(opened, [selection])


def describe_hits(known: Known, shown: set[int], later: set[int], today: set[int]) -> str:
    """Return a sentence with the number of listings in `shown` that the user interacted with on the day, and later."""
    if known.day:
        line = f"The list as of the morning of {known.day}: **{len(shown & today)} of {formats.count(len(today), 'new listing')}** "
        return line + f"of that day, and {len(shown & later - today):,} of {len(later - today):,} later ones."
    if later:
        return (
            f"**{len(shown & later)} of these {len(shown)}** are among the {formats.count(len(later), 'new listing')} that the user "
            "interacted with later."
        )
    return "The user interacted with no new listing later, so no recommendation can be checked."


@st.cache_data(show_spinner=False, max_entries=32, hash_funcs=BY_RUN)
def _reasons(
    opened: OpenRun, user: int, at: int, selection: Selection, listings: list[str]
) -> list[Explanation]:
    run, start = opened.run, opened.run.log.start[user]
    history = events_at(run, np.arange(start, start + at))
    return explain(run, history, listings, selection.at, selection.rules, selection.blend, BUDGET)


def explain_list(
    opened: OpenRun, user: int, known: Known, selection: Selection, listings: list[str]
) -> list[list[Reason]]:
    """Return for each listing the events that add most to its score, and the attribute or photo that adds most.

    Raises:
        VibesError: see `listing_vibes.insight.explain.explain`.
    """
    result = _reasons(opened, user, known.events, selection, listings)
    return [
        [_event_reason(opened, item, event) for event in item.events[:EVENTS] if event["adds"] >= LEAST]
        + _part_reason(opened, item)
        for item in result
    ]


def _event_reason(opened: OpenRun, item: Explanation, event: dict[str, Any]) -> Reason:
    row = opened.view.market.listing_row[event["listing_id"]]
    action = f", {formats.words(event['action']).lower()}" if event["action"] else ""
    note = f"{_effect(item, event)} · event {event['event']:,}{action}"
    return Reason(opened.view.title(row), note, cover_url(opened.name, opened.view, row))


def _part_reason(opened: OpenRun, entry: Explanation) -> list[Reason]:
    best = max(
        [*(entry.attributes or []), *(entry.photos or [])], key=lambda part: part["adds"], default=None
    )
    if best is None or best["adds"] < LEAST:
        return []
    if "name" in best:
        labels = {item.name: item.label for item in opened.view.attributes}
        return [Reason(labels.get(best["name"], formats.words(best["name"])), _effect(entry, best))]
    row, photo = opened.view.market.listing_row[entry.listing], best["photo"]
    title = "Its photos" if photo < 0 else f"Its {formats.ordinal(photo + 1)} photo"
    return [Reason(title, _effect(entry, best), photo_url(opened.name, opened.view, row, max(photo, 0)))]


def _effect(item: Explanation, part: dict[str, Any]) -> str:
    moved = part["rank_without"] not in (None, item.rank)
    return f"+{part['adds']:.3f}" + (
        f" · without it {formats.ordinal(part['rank_without'])}" if moved else ""
    )


page()
