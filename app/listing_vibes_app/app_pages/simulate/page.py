"""Simulate a user: a history that you edit, its recommendations, and how each change moves them."""

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes.insight.selection.page_lists import Selection
from listing_vibes.insight.selection.url_parameters import MOST_EVENTS
from listing_vibes.words import capitalize
from listing_vibes_app.app_pages.simulate.history_cards import (
    Simulated,
    before,
    can_undo,
    choice,
    history_strip,
    mark,
    move_mark,
    moves,
    parse_history,
    remember,
    undo,
)
from listing_vibes_app.app_pages.simulate.sources import (
    CLICKS,
    add_listings,
    first_picks,
    save_history,
    show_taste,
    start_from,
)
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.controls import button, load_more, switch
from listing_vibes_app.kit.dials import dial_sliders, new_dial
from listing_vibes_app.kit.list_options import list_options, nothing_listed, read_selections, rule_notes
from listing_vibes_app.kit.notices import untrained_caption
from listing_vibes_app.kit.why import why_listed, why_url
from listing_vibes_app.server.params import hold, link, set_params
from listing_vibes_app.server.runs import OpenRun, current_run, rank, rows_of
from listing_vibes_app.view.formats import count, moment, plain

DEEP = 100  # ranks in which a listing that moved out is searched
SIDES = {"h": "history A", "h2": "history B"}


def page() -> None:
    """Draw the page."""
    opened = current_run()
    two = st.query_params.get("two") == "1"
    targets = SIDES if two else {"h": "the history"}
    histories = {name: parse_history(opened, st.query_params.get(name, "")) for name in SIDES}
    remember(opened.name, {name: history.text for name, history in histories.items()})
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Simulate a user", anchor=False, width="content")
        side = toolbar(opened, histories, two)
    untrained_caption(opened)
    filled = [name for name in targets if histories[name].events]
    if not filled:
        first_picks(opened, side, targets[side], histories[side])
        st.header("Or search for a listing", anchor=False)
        add_listings(opened, side, targets[side], histories[side], False)
        start_from(opened, side, targets[side])
        return
    if two or len(histories[side]) >= CLICKS:
        for column, (name, target) in zip(
            st.columns(len(targets), gap="large"), targets.items(), strict=True
        ):
            with column:
                show_history(opened, name, histories[name], target)
                show_taste(opened, histories[name])
    else:
        left, right = st.columns([1, 3])
        with left:
            show_history(opened, side, histories[side], targets[side])
        with right:
            first_picks(opened, side, targets[side], histories[side])
        show_taste(opened, histories[side])
    if "add" in st.query_params:
        with st.container(border=True):
            add_listings(opened, side, targets[side], histories[side], True)
    show_lists(opened, histories, filled, targets)
    with st.expander("Start from a persona, a real user or a file"):
        start_from(opened, side, targets[side])


def show_lists(
    opened: OpenRun, histories: dict[str, Simulated], filled: list[str], targets: dict[str, str]
) -> None:
    """Show the controls and the recommendations of each history that has events."""
    with st.container(horizontal=True, vertical_alignment="center", key="labelled-rules"):
        st.header("Recommended", anchor=False, width="content")
        rules = list_options(opened, users=True)
        export = st.container(width="content")
    dials = dial_sliders(opened, rules)
    selections = read_selections(opened, "simulate")
    lists = {name: (item, deep_list(opened, item)) for name, item in zip(filled, selections, strict=True)}
    rows = [row for item, result in lists.values() for row in rows_of(opened, result["listing_id"][: item.k])]
    new_dial(opened, dials, list(dict.fromkeys(rows)), rules)
    for number, (column, name) in enumerate(
        zip(st.columns(len(filled), gap="large"), filled, strict=True), 1
    ):
        other = lists.get("h2" if name == "h" else "h")
        with column:
            recommended(opened, name, number, histories[name], targets[name], lists[name], other)
    load_more(max(min(item.k, len(result)) for item, result in lists.values()))
    why_listed(opened, selections)
    with export:
        as_code(opened, selections)


def toolbar(opened: OpenRun, histories: dict[str, Simulated], two: bool) -> str:
    """Draw the buttons above the histories; return the name of the history that clicks change."""
    with st.container(horizontal=True, vertical_alignment="bottom", width="content", key="labelled-simulate"):
        button("Undo", "undo", lambda: undo(opened.name), disabled=not can_undo(opened.name))
        side = link().choice("to", SIDES, "h") if two else "h"
        is_empty = not histories[side].text
        button("Start empty", "delete_sweep", lambda: set_params(**{side: None}), disabled=is_empty)
        save_history({SIDES[name]: histories[name] for name in SIDES} if two else {"history": histories["h"]})

        def change(on: bool) -> None:
            """Start the second history as a copy of the first, and let it take the clicks."""
            copy = st.query_params.get("h2") or st.query_params.get("h")
            set_params(**({"two": 1, "to": "h2", "h2": copy} if on else {"two": None, "to": None}))

        st.toggle("Two histories side by side", **hold("two", two, change))
        if two:
            switch("Clicks go to", "to", {name: capitalize(label) for name, label in SIDES.items()}, "h")
    return side


def show_history(opened: OpenRun, name: str, history: Simulated, target: str) -> None:
    """Show a history as cards to edit."""
    label, events = capitalize(target), count(len(history), "event")
    with st.container(horizontal=True, vertical_alignment="center", key=f"labelled-history-{name}"):
        if history.events:
            most = opened.run.manifest.settings.training.max_listings
            help = f"Oldest first. The model uses the newest {most} at most. Change, move or remove them on the cards."
            st.markdown(f"**{label}**: {events}", help=help, width="content")
        else:
            st.markdown(
                f"**{label}** is empty. Add a listing, or start from a persona, a user or a file.",
                width="content",
            )
        show_adding(name, target)
    if history.events:
        history_strip(opened, name, history, f"{label}, oldest first", spoken=f"{label} has {events}")
    if len(history) + history.unknown >= MOST_EVENTS:
        st.caption(f"A history here has {MOST_EVENTS} events at most: another one replaces the oldest.")
    if history.unknown:
        unknown = count(history.unknown, "event")
        st.caption(f"Left out of this link: {unknown} on listings that this market does not have.")


def show_adding(name: str, target: str) -> None:
    """Draw the button that opens the search for listings to add to a history, or closes it."""
    side = {"to": name} if name == "h2" else {"to": None}
    if "add" in st.query_params and (st.query_params.get("to", "h") == name):
        button(
            "Close the search", "close", lambda: set_params(add=None, q=None, page=None), key=f"add-{name}"
        )
    else:
        label = "Add a listing" if target == "the history" else f"Add to {target}"
        button(label, "add", lambda: set_params(add=1, **side), key=f"add-{name}")


def deep_list(opened: OpenRun, selection: Selection) -> pd.DataFrame:
    """Return the first `DEEP` rows of a list; with diversity, which depends on the ranks above, only the shown ones."""
    deep = selection if selection.rules.diversity else replace(selection, k=max(DEEP, selection.k))
    with st.spinner("Ranking listings …"):
        return rank(opened, deep)


def recommended(
    opened: OpenRun,
    name: str,
    number: int,
    history: Simulated,
    target: str,
    made: tuple[Selection, pd.DataFrame],
    other: tuple[Selection, pd.DataFrame] | None,
) -> None:
    """Show the recommendations for a history, and mark moves since the last change and listings shared with the other history.

    Args:
        number: of the list on the page.
    """
    shown: dict[str, Any] = {"name": name, "target": target}
    if other is not None:
        st.subheader(capitalize(target), anchor=False)
    selection, result = made
    if result.empty:
        why = "No active listing passes the rules, or every one is in the history already. Take a rule away."
        nothing_listed(opened, selection, why, name=name)
        return
    k, now = selection.k, result["listing_id"].tolist()
    past = tuple(parse_history(opened, before(opened.name, name)).known)
    earlier = deep_list(opened, replace(selection, history=past))["listing_id"].tolist() if past else []
    moved = moves(earlier, now, k, (event.listing for event in history.known))
    shared = set() if other is None else set(other[1]["listing_id"][: other[0].k])
    line = f"{moved.new} moved in, {len(moved.out)} moved out since the last change." if past else ""
    if other is not None:
        line += f" {len(shared & set(now[:k]))} of {len(now[:k])} are in both."
    st.markdown(plain(line.strip() or as_of(opened)))
    choice(
        opened,
        rows_of(opened, now[:k]),
        key=f"recommended-{name}",
        label=f"Recommended for {target}, the best first",
        marks=[
            move_mark(move) + [mark("both", "in both")] * (listing in shared)
            for move, listing in zip(moved.marks, now[:k], strict=True)
        ],
        scores=rule_notes(result)[:k],
        why=[why_url(opened, "simulate", listing, number) for listing in now[:k]],
        spoken=line if past else "",
        **shown,
    )
    if moved.out:
        st.markdown(f"**Moved out** since the last change: {count(len(moved.out), 'listing')}")
        choice(
            opened,
            rows_of(opened, [listing for listing, _ in moved.out]),
            key=f"out-{name}",
            label=f"Moved out of the recommendations for {target}",
            scores=[capitalize(words) for _, words in moved.out],
            strip=True,
            **shown,
        )


def as_of(opened: OpenRun) -> str:
    """Return a sentence that says which listings are ranked."""
    if opened.view.has_events and opened.view.market.timed:
        return f"Of the listings active on {moment(opened.view.market.events['timestamp'].max().value)}."
    return "Of all listings."


page()
