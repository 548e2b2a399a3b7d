"""Simulate a user: a history made by hand, what it would be recommended, and what each change moves."""

from dataclasses import replace

import streamlit as st

from listing_vibes.insight.selection.histories import MOST
from listing_vibes.insight.selection.params import adds_its_own
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.run.rules import Rules
from listing_vibes_app.app_pages.simulate.add_listing import adding
from listing_vibes_app.app_pages.simulate.history import Simulated, moves, read
from listing_vibes_app.app_pages.simulate.history_cards import Mark, choice, history_strip, mark
from listing_vibes_app.app_pages.simulate.save_history import save_history
from listing_vibes_app.app_pages.simulate.start_from import start_from
from listing_vibes_app.app_pages.simulate.undo import before, can_undo, remember, undo
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.dials import dial_button, dial_sliders, new_dial
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.list_options import ListOptions, additions, beside_switch, put_there, rules_button
from listing_vibes_app.kit.measures import user_score_help
from listing_vibes_app.kit.nothing_listed import nothing_listed
from listing_vibes_app.kit.notices import untrained_caption
from listing_vibes_app.kit.popular import FALLBACK, popular_rows
from listing_vibes_app.kit.switch import how_many, switch
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import chosen, set_params, whole
from listing_vibes_app.server.runs import BY_RUN, OpenRun, current_run, known_rows
from listing_vibes_app.view.formats import count, moment, plain

SHOWN = [6, 12, 30]
DEEP = 100  # how far down a listing that moved out is looked for
SIDES = {"h": "history A", "h2": "history B"}


def page() -> None:
    """The whole page."""
    opened = current_run()
    st.title("Simulate a user", anchor=False)
    if not opened.run.spaces:
        empty("There is nothing to compare", "This run holds no embedding. Make one with vibes embed.")
        return
    untrained_caption(opened)
    two = st.query_params.get("two") == "1"
    names = list(SIDES) if two else ["h"]
    histories = {name: read(opened, st.query_params.get(name, "")) for name in SIDES}
    remember(opened.name, {name: one.text for name, one in histories.items()})
    target = dict(SIDES) if two else {"h": "the history"}
    side = toolbar(opened, histories, two)
    for column, name in zip(st.columns(len(names), gap="large"), names, strict=True):
        with column:
            told(opened, name, histories[name], target[name])
    filled = [name for name in names if histories[name].events]
    with st.expander("Start from a persona, a real user or a file", expanded=not filled):
        start_from(opened, side, target[side])
    options = ListOptions(Rules())
    if filled:
        with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-rules"):
            beside = beside_switch(opened, additions(opened))
            options = ListOptions(rules_button(opened), beside, adds_its_own(opened.run))
            dial_button()
        place_of_dial = dial_sliders(opened, options.rules)
        k = whole("k", 12, 1, DEEP)
        listings = [one for name in filled for one, *_ in asked(opened, histories[name], options)[:k]]
        rows = list(dict.fromkeys(row for _, row in known_rows(opened, listings)))
        new_dial(opened, place_of_dial, rows, options.rules)
    if two:
        found = {name: asked(opened, histories[name], options) for name in names}
        for column, name in zip(st.columns(2, gap="large"), names, strict=True):
            with column:
                other = found["h2" if name == "h" else "h"]
                recommended(opened, name, histories[name], target[name], other, options)
        as_code(opened, [selection(histories[name], options, SIDES[name]) for name in filled])
        st.header(f"Add to {target[side]}", anchor=False)
        adding(opened, side, target[side], histories[side], bool(filled))
        return
    left, right = st.columns(2, gap="large")  # on a phone the recommendations come first
    with left:
        recommended(opened, "h", histories["h"], target["h"], [], options)
        if filled:
            as_code(opened, [selection(histories["h"], options)])
    with right:
        st.header("Add a listing", anchor=False)
        adding(opened, side, target[side], histories[side], bool(filled))


def toolbar(opened: OpenRun, histories: dict[str, Simulated], two: bool) -> str:
    """Undo, empty, two histories, save; the name of the history that clicks go to."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-simulate"):
        st.button(
            "Undo",
            icon=":material/undo:",
            on_click=undo,
            args=(opened.name,),
            disabled=not can_undo(opened.name),
            help="Take back the last change",
        )
        side = chosen("to", list(SIDES), "h") if two else "h"
        st.button(
            "Start empty",
            icon=":material/delete_sweep:",
            on_click=set_params,
            kwargs={side: None},
            disabled=not histories[side].text,
            help="Remove all events; Undo brings them back",
        )
        save_history(
            opened,
            {SIDES[name] if two else "history": histories[name].known for name in (SIDES if two else "h")},
        )
        st.session_state["two"] = two
        st.toggle("Two histories side by side", key="two", on_change=_side_by_side)
        if two:
            switch("Clicks go to", "to", {name: upper(label) for name, label in SIDES.items()}, "h")
        if any(one.events for one in histories.values()):
            how_many(SHOWN, DEEP)
    return side


def upper(text: str) -> str:
    """`text` as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def _side_by_side() -> None:
    """The second history starts as a copy of the first, and takes the clicks."""
    if st.session_state["two"]:
        set_params(two=1, to="h2", h2=st.query_params.get("h2") or st.query_params.get("h"))
    else:
        set_params(two=None, to=None)


def told(opened: OpenRun, name: str, history: Simulated, target: str) -> None:
    """The history as cards to change."""
    label = upper(target)
    if not history.events:
        st.markdown(f"**{label}** is empty. Add a listing below, or start from a persona, a user or a file.")
    else:
        st.markdown(
            f"**{label}**: {count(len(history), 'event')}, the oldest first",
            help=f"The model reads the newest {opened.run.manifest.settings.training.max_listings} at most. Change, move or "
            "remove them on the cards.",
        )
        history_strip(
            opened,
            name,
            history,
            f"{label}, oldest first",
            spoken=f"{label} has {count(len(history), 'event')}",
        )
    if len(history) + history.unknown >= MOST:
        st.caption(f"A history here has {MOST} events at most: another one takes the place of the oldest.")
    if history.unknown:
        st.caption(
            f"{count(history.unknown, 'event')} of this link {'is' if history.unknown == 1 else 'are'} on listings "
            "that this market does not have, and left out."
        )


def selection(history: Simulated, options: ListOptions, side: str = "") -> Selection:
    """What gives the recommendations that are shown for a history."""
    return Selection(
        "recommend",
        "",
        whole("k", 12, 1, DEEP),
        upper(side),
        history=tuple(event for _, event in history.events),
        rules=options.rules,
        beside=options.beside,
    )


@st.cache_data(show_spinner=False, max_entries=256, hash_funcs=BY_RUN)
def _asked(opened: OpenRun, selection: Selection) -> list[tuple[str, float, str]]:
    found = selection.frame(opened.run)
    ruled = [put_there(found, place) for place in range(len(found))]
    return list(zip(found["listing_id"], found["score"], ruled, strict=True))


def asked(opened: OpenRun, history: Simulated, options: ListOptions) -> list[tuple[str, float, str]]:
    """The first `DEEP` recommendations (listing, score, what a rule says of it) for a history; none for an empty one. With
    variety, which looks at what stands above, only those that are shown."""
    if not history.events:
        return []
    shown = selection(history, options)
    deep = shown if options.rules.diversity else replace(shown, k=DEEP)
    with st.spinner("Ranking listings …"):
        return _asked(opened, deep)


def recommended(
    opened: OpenRun,
    name: str,
    history: Simulated,
    target: str,
    other: list[tuple[str, float, str]],
    options: ListOptions,
) -> None:
    """What the history is recommended, with what moved since the last change and what the other history shares."""
    st.header("Recommended" if target == "the history" else f"Recommended for {target}", anchor=False)
    if not history.events:
        st.caption(FALLBACK)
        choice(
            opened,
            popular_rows(opened, options.rules),
            key=f"popular-{name}",
            name=name,
            target=target,
            label="Popular and recent listings",
            dials=False,
        )
        return
    k = whole("k", 12, 1, DEEP)
    now = asked(opened, history, options)
    if not now:
        nothing_listed(
            opened,
            None,
            options.rules,
            "No listing that is live passes the rules, or every one is in the history already. Take a rule away.",
            name=name,
        )
        return
    earlier = asked(opened, read(opened, before(opened.name, name)), options)
    moved = moves(
        [listing for listing, *_ in earlier],
        [listing for listing, *_ in now],
        k,
        (event.listing for _, event in history.events),
    )
    shared = {listing for listing, *_ in other[:k]}
    words = [
        f"{moved.came} moved in, {len(moved.out)} moved out since the last change"
        if earlier
        else _as_of(opened)
    ]
    if other:
        words.append(f"{sum(listing in shared for listing, *_ in now[:k])} of {len(now[:k])} are in both")
    line = ". ".join(words) + "."
    st.markdown(plain(line))
    rows = known_rows(opened, [listing for listing, *_ in now[:k]])
    both = Mark("both", "in both")
    choice(
        opened,
        [row for _, row in rows],
        key=f"recommended-{name}",
        name=name,
        target=target,
        label=f"Recommended for {target}, the best first",
        marks=[mark(moved.marks[at]) + [both] * (now[at][0] in shared) for at, _ in rows],
        scores=[f"{options.score} {now[at][1]:.2f}{now[at][2]}" for at, _ in rows],
        score_help=user_score_help(opened, options.beside, options.rules.moves_scores),
        spoken=line if earlier else "",
    )
    gone = known_rows(opened, [listing for listing, _ in moved.out])
    if gone:
        st.markdown(f"**Moved out** since the last change: {count(len(gone), 'listing')}")
        choice(
            opened,
            [row for _, row in gone],
            key=f"out-{name}",
            name=name,
            target=target,
            label=f"Moved out of the recommendations for {target}",
            scores=[moved.out[at][1].capitalize() for at, _ in gone],
            strip=True,
        )


def _as_of(opened: OpenRun) -> str:
    if opened.view.has_events and opened.view.market.timed:
        return f"Of the listings live on {moment(opened.view.market.events['timestamp'].max().value)}"
    return "Of all listings"


with boundary():
    page()
