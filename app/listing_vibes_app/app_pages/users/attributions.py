"""What carried a recommendation, as its card tells it: events, and the attribute or photo without which it would fall most."""

from typing import Any

import streamlit as st

from listing_vibes.insight.explain.reasons import Reasons, explain
from listing_vibes_app.kit.gallery import Reason
from listing_vibes_app.kit.list_options import ListOptions
from listing_vibes_app.server.photos import cover_url, photo_url
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import ordinal, words
from listing_vibes_app.view.history import history_frame

MOST = 2  # events told at a recommendation
LEAST = 0.001  # what a part must add to be told
BUDGET = 4.0  # seconds; on a busy machine the last cards have events alone


@st.cache_data(show_spinner=False, max_entries=32, hash_funcs={**BY_RUN, ListOptions: lambda one: one.key})
def _reasons(
    opened: OpenRun, user: int, at: int, moment: Any, listings: list[str], options: ListOptions
) -> list[Reasons]:
    history = history_frame(opened.view, user, at)
    return explain(opened.run, history, listings, moment, options.rules, options.beside, BUDGET)


def attributions(
    opened: OpenRun, user: int, at: int, moment: Any, listings: list[str], options: ListOptions
) -> list[list[Reason]]:
    """For each of `listings` the events among the first `at` of a user that add most to its score, and the one attribute or
    photo that does, at the `moment` of the list.

    Raises:
        VibesError: see `listing_vibes.insight.explain.reasons.explain`.
    """
    found = _reasons(opened, user, at, moment, listings, options)
    return [
        [_event(opened, one, event) for event in one.events[:MOST] if event["adds"] >= LEAST]
        + _part(opened, one)
        for one in found
    ]


def _event(opened: OpenRun, one: Reasons, event: dict[str, Any]) -> Reason:
    row = opened.view.market.listing_row[event["listing_id"]]
    what = f", {words(event['action']).lower()}" if event["action"] else ""
    return Reason(
        title=opened.view.title(row),
        note=f"{_told(one, event)} · event {event['event']:,}{what}",
        photo=cover_url(opened.name, opened.view, row),
    )


def _part(opened: OpenRun, one: Reasons) -> list[Reason]:
    """The attribute or photo of the listing that adds most."""
    best = max([*(one.attributes or []), *(one.photos or [])], key=lambda part: part["adds"], default=None)
    if best is None or best["adds"] < LEAST:
        return []
    if "name" in best:
        labels = {item.name: item.label for item in opened.view.attributes}
        return [Reason(title=labels.get(best["name"], words(best["name"])), note=_told(one, best))]
    row, place = opened.view.market.listing_row[one.listing], best["photo"]
    title = "Its photos" if place < 0 else f"Its {ordinal(place + 1)} photo"
    return [Reason(title, _told(one, best), photo_url(opened.name, opened.view, row, max(place, 0)))]


def _told(one: Reasons, part: dict[str, Any]) -> str:
    moved = part["place_without"] not in (None, one.place)
    return f"+{part['adds']:.3f}" + (f" · else {ordinal(part['place_without'])}" if moved else "")
