"""Similar listings: a listing and its neighbors in a chosen space."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from listing_vibes.insight.selection.page_lists import Selection
from listing_vibes.insight.selection.url_parameters import FILTER_PARAMETERS
from listing_vibes.insight.similarity import SIGNS, match, same_and_different
from listing_vibes.run.rules import Rules
from listing_vibes_app.app_pages.similar.choosing import choose, picker
from listing_vibes_app.app_pages.similar.explanation import why_similar
from listing_vibes_app.app_pages.similar.filters import (
    clear_filters,
    filters_button,
    filters_line,
    read_filters,
)
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.controls import any_listing, beside, button, load_more, switch
from listing_vibes_app.kit.dials import dial_sliders, new_dial
from listing_vibes_app.kit.gallery import (
    MAKING,
    SIDES,
    Card,
    gallery,
    listing_card,
    listing_panel,
    page_url,
)
from listing_vibes_app.kit.list_options import RULES, clear_rules, list_options, read_selections, score_lines
from listing_vibes_app.kit.notices import empty, unknown
from listing_vibes_app.kit.people import selectable_table
from listing_vibes_app.kit.spaces import label_of, missing_spaces, space_switch
from listing_vibes_app.server.params import link, set_params
from listing_vibes_app.server.photos import cover_url
from listing_vibes_app.server.runs import OpenRun, current_run, rank, rows_of
from listing_vibes_app.view.formats import count, numbered, plain, shorten

VIEWS = {"cards": "Cards", "lineup": "Line up", "spaces": "All spaces"}
LEGEND = (
    "✓ the same · ≈ close: numbers within a tenth, years within 5, locations within 2 km, half of a set · no sign: different. "
    "Choose a line to see that listing."
)
#: Parameters that a link to a neighbor keeps.
KEPT = ("space", "k", "view", *FILTER_PARAMETERS, *RULES, MAKING, *SIDES)


def page() -> None:
    """Draw the page."""
    opened = current_run()
    listing = st.query_params.get("listing")
    row = opened.view.market.listing_row.get(listing or "")
    if row is None:
        st.title("Similar listings", anchor=False)
        if listing is None:
            picker(opened)
        else:
            unknown("listing", listing, "Choose a listing", lambda: choose(None))
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(plain(opened.view.title(row)), anchor=False, width="content")
        with st.container(horizontal=True, width="content"):
            button("Choose another", "arrow_back", lambda: choose(None), key="another")
            any_listing(opened, lambda row: choose(opened.view.ids[row]))
    left, right = beside()
    with left:
        listing_panel(opened, row)
    with right:
        show_neighbors(opened, row)


def show_neighbors(opened: OpenRun, row: int) -> None:
    """Draw the controls, then the neighbors."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-neighbors"):
        space = space_switch(opened)
        show_as = partial(switch, "Show as", "view", VIEWS, "cards")
        filters_button(opened, row)
        rules = list_options(opened, False, show_as)
        export = st.container(width="content")
    dials = dial_sliders(opened, rules)
    for reason in missing_spaces(opened):
        st.caption(reason)
    view = link().choice("view", VIEWS, "cards")
    rows = list_neighbors(opened, row, space, view, export)
    new_dial(opened, dials, rows, rules)


def list_neighbors(opened: OpenRun, row: int, space: str, view: str, export: DeltaGenerator) -> list[int]:
    """Show the neighbors, or why there are none; return their rows."""
    if line := filters_line(opened, read_filters(opened.view).mask(opened.view.market, row), row):
        st.caption(line)
    available = [name for name in opened.run.spaces if np.any(opened.run.vectors(name)[row])]
    if space not in available and view != "spaces":
        action = f"Compare by {label_of(available[0]).lower()}" if available else ""
        what = "None of its photos can be used." if space == "photos" else "None of its values is known."
        title = f"This listing has nothing in the space “{label_of(space)}”"
        empty(title, what, action, lambda: set_params(space=available[0]))
        return []
    selections = read_selections(opened, "similar")
    if not any(len(rank(opened, selection)) for selection in selections):
        nothing_similar(selections[0].rules if selections else Rules())
        return []
    if view == "spaces":
        rows = side_by_side(opened, selections)
    else:
        rows = show_space(opened, row, selections[0], view)
        why_similar(opened, row, space)
        load_more(len(rows))
    with export:
        as_code(opened, selections)
    return rows


def nothing_similar(rules: Rules) -> None:
    """Show why there is no neighbor."""
    if rules == Rules():
        empty("There are no neighbors", "No other listing has anything in this space.")
        return

    def clear() -> None:
        clear_filters()
        clear_rules(users=False)

    why = "Take one away, or choose another space."
    empty("No neighbor passes the filters and the rules", why, "No filters", clear)


def show_space(opened: OpenRun, row: int, selection: Selection, view: str) -> list[int]:
    """Show the neighbors in a space, as cards or as a line-up; return their rows."""
    neighbors = rank(opened, selection)
    scores, meaning = score_lines(opened, selection, neighbors)
    others = rows_of(opened, neighbors["listing_id"])
    if view == "lineup":
        lineup(opened, row, others, scores)
        return others
    stored, ids = {name: st.query_params.get(name) for name in KEPT}, opened.view.ids
    cards = []
    for other, score in zip(others, scores, strict=True):
        same, differs = same_and_different(opened.view, row, other)
        why = page_url(opened, "similar", **{**stored, "listing": ids[row], "why": ids[other]})
        facts = opened.view.facts(other, opened.view.headline[:1])  # the others are the same or differ
        more: dict[str, Any] = {"facts": facts, "score": score, "same": same, "differs": differs, "why": why}
        cards.append(listing_card(opened, other, stored, **more))
    label = f"{count(len(others), 'neighbor')} by {selection.label.lower()}, the most alike first"
    gallery(opened, cards, key="neighbors", label=label, score_help=meaning, examples=True)
    return others


def side_by_side(opened: OpenRun, selections: Sequence[Selection]) -> list[int]:
    """Show the neighbors in each space in columns, and mark those in several spaces; return their rows."""
    lists = {
        selection.label: rows_of(opened, rank(opened, selection)["listing_id"]) for selection in selections
    }
    labels_of: dict[int, list[str]] = {}
    for label, rows in lists.items():
        for row in rows:
            labels_of.setdefault(row, []).append(label)
    st.markdown(overlap(list(labels_of.values()), list(lists)))
    stored = {name: st.query_params.get(name) for name in KEPT}
    for column, (label, rows) in zip(st.columns(len(lists), gap="medium"), lists.items(), strict=True):
        with column:
            st.header(label, anchor=False)
            cards: list[Card] = []
            for row in rows:
                others = [other.lower() for other in labels_of[row] if other != label]
                badge = f"also by {' and '.join(others)}" if others else ""
                facts = opened.view.facts(row, opened.view.headline[:1])
                more: dict[str, Any] = {"facts": facts, "badge": badge, "tone": "hit" if others else ""}
                cards.append(listing_card(opened, row, stored, **more))
            title = f"{count(len(cards), 'neighbor')} by {label.lower()}, the most alike first"
            gallery(opened, cards, key=f"neighbors-{label}", label=title, least=150, examples=True)
    return list(labels_of)


def overlap(labels_of: Sequence[Sequence[str]], labels: Sequence[str]) -> str:
    """Return a sentence on the neighbors that spaces have in common; `labels_of` are the spaces of each neighbor."""
    if len(labels) < 2:
        return "Only one space knows this listing."
    parts = []
    if len(labels) > 2:
        parts.append(f"**{sum(len(item) == len(labels) for item in labels_of)}** in all {len(labels)} lists")
    for number, first in enumerate(labels):
        for second in labels[number + 1 :]:
            shared = sum(first in item and second in item for item in labels_of)
            parts.append(f"**{shared}** by {first.lower()} and {second.lower()}")
    return "Listings in common: " + ", ".join(parts) + "."


def lineup_table(opened: OpenRun, query: int, others: Sequence[int], scores: Sequence[str]) -> pd.DataFrame:
    """Return a row for each listing, the query first: photo, title, score, how many attributes are the same, each attribute."""
    view = opened.view
    items = [item for item in view.attributes if item.shown_as != "text"]
    rows = [["This listing", "", *(shorten(view.text(query, item), 90) for item in items)]]
    for score, other in zip(scores, others, strict=True):
        results = [match(view, item, query, other) for item in items]
        available = sum(item.verdict != "unknown" for item in results)
        same = sum(item.verdict == "same" for item in results)
        cells = [
            f"{SIGNS[item.verdict]} {item.text}".strip()
            + (f" ({item.difference})" if item.difference else "")
            for item in results
        ]
        rows.append([score, f"{same} of {available}", *cells])
    table = pd.DataFrame(rows, columns=numbered(["Score", "The same", *(item.label for item in items)], " "))
    table.insert(0, "Listing", [view.title(row) for row in (query, *others)])
    if view.has_photos:
        table.insert(0, "Photo", [cover_url(opened.name, view, row) for row in (query, *others)])
    return table


def lineup(opened: OpenRun, query: int, others: Sequence[int], scores: Sequence[str]) -> None:
    """Show the line-up; choosing a line shows that listing."""
    st.caption(LEGEND)
    selectable_table(
        lineup_table(opened, query, others, scores),
        key="lineup",
        row_height=64 if opened.view.has_photos else 36,
        on_select=lambda line: choose(opened.view.ids[(query, *others)[line]]),
        column_config={
            "Photo": st.column_config.ImageColumn(width="small", pinned=True),
            "Listing": st.column_config.TextColumn(width="medium", pinned=True),
        },
        alt="Attributes of this listing and of its neighbors",
    )


page()
