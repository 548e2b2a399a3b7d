"""Two runs side by side: neighbours of one listing, or recommendations to one user."""

import numpy as np
import streamlit as st

from listing_vibes.insight.selection.pages import as_of
from listing_vibes.insight.selection.params import adds_its_own
from listing_vibes.insight.selection.selection import Selection
from listing_vibes_app.app_pages.compare.rankings import places
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.days import as_of_event
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.gallery import gallery
from listing_vibes_app.kit.list_options import ListOptions
from listing_vibes_app.kit.measures import SIMILAR, user_score_help
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.kit.switch import switch
from listing_vibes_app.server.boundary import told
from listing_vibes_app.server.params import chosen, keep, set_params
from listing_vibes_app.server.runs import (
    OpenRun,
    known_rows,
    market_of,
    open_run,
    run_label,
    run_paths,
    search_index,
)
from listing_vibes_app.view import formats

SHOWN = 12


def two_runs(opened: OpenRun) -> None:
    """Choose the other run and a listing or a user; see both lists and what they share."""
    others = [name for name in run_paths() if name != opened.name]
    if not others:
        empty(
            "There is only one run",
            "Start the explorer with two or more runs to see them side by side, for example of two presets.",
        )
        st.code("vibes explore RUN OTHER-RUN", language=None, wrap_lines=True)
        return
    first = next((name for name in others if market_of(name) == market_of(opened.name)), others[0])
    st.session_state["with"] = chosen("with", others, first)
    of = {"listing": "A listing"}
    if opened.view.has_events:
        of["user"] = "A user"
    st.session_state["of"] = chosen("of", list(of), "listing")
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-runs"):
        st.selectbox(
            formats.plain(f"{run_label(opened.name)} against"),
            others,
            key="with",
            format_func=run_label,
            on_change=keep,
            args=("with", "with", first),
            width=300,
        )
        if len(of) > 1:
            switch("For", "of", of, "listing")
        (_find_user if st.session_state["of"] == "user" else _find_listing)(opened)
    other = open_run(st.session_state["with"])
    if st.session_state["of"] == "user":
        _of_user(opened, other)
    else:
        _of_listing(opened, other)


def _find_listing(opened: OpenRun) -> None:
    st.session_state["words"] = ""
    st.text_input(
        "Find a listing",
        key="words",
        type="search",
        icon=":material/search:",
        placeholder="Words or an id; the best match is taken",
        on_change=_take_listing,
        args=(opened,),
        width=340,
    )
    st.button("Any listing", icon=":material/casino:", on_click=_any_listing, args=(opened,))


def _take_listing(opened: OpenRun) -> None:
    rows = search_index(opened).find(st.session_state["words"])
    if len(rows):
        set_params(listing=opened.view.ids[int(rows[0])], nothing=None)
    else:
        set_params(listing=None, nothing=st.session_state["words"] or None)


def _any_listing(opened: OpenRun) -> None:
    set_params(listing=opened.view.ids[int(np.random.default_rng().integers(len(opened.view)))], nothing=None)


def _find_user(opened: OpenRun) -> None:
    st.session_state["who"] = st.query_params.get("user", "")
    st.text_input(
        "User id",
        key="who",
        type="search",
        icon=":material/search:",
        on_change=keep,
        args=("who", "user"),
        width=240,
    )
    st.button("Any user", icon=":material/casino:", on_click=_any_user, args=(opened,))


def _any_user(opened: OpenRun) -> None:
    enough = np.flatnonzero(np.diff(opened.view.log.start) >= 2)
    if len(enough):
        set_params(user=opened.view.log.users[int(np.random.default_rng().choice(enough))])


def _of_listing(opened: OpenRun, other: OpenRun) -> None:
    listing = st.query_params.get("listing")
    if listing is None:
        missed = st.query_params.get("nothing")
        if missed:
            empty(f"No listing matches “{missed}”", "Try fewer or shorter words, or take any listing.")
        else:
            st.caption("Find a listing, or take any; its neighbours in both runs are shown here.")
        return
    row = opened.view.market.listing_row.get(listing)
    if row is None:
        empty(f"There is no listing “{listing}” in this market", "The link may be of another market.")
        return
    spaces = [name for name in opened.run.spaces if name in other.run.spaces]
    if not spaces:
        empty("The two runs have no space in common", "Neither model, photos nor attributes are in both.")
        return
    space = spaces[0]
    if len(spaces) > 1:
        space = switch("Compare by", "space", {name: label_of(name) for name in spaces}, space)
    st.subheader("What is like this listing?", anchor=False)
    gallery(
        [listing_card(opened, row)],
        key="asked",
        box=opened.box,
        label="The listing",
        layout="strip",
        photos=opened.view.has_photos,
        least=220,
    )
    asked = [Selection("similar", listing, SHOWN, run_label(one.name), space) for one in (opened, other)]
    _lists([opened, other], asked, [SIMILAR, SIMILAR])


def _of_user(opened: OpenRun, other: OpenRun) -> None:
    user = st.query_params.get("user")
    if not user:
        st.caption("Name a user, or take any; what both runs recommend is shown here.")
        return
    number = opened.view.user_row.get(user)
    if number is None:
        empty(
            f"There is no user “{user}” in this market",
            "Ids are exact here; the page of users can search them.",
        )
        return
    total = int(np.diff(opened.view.log.start)[number])
    at = as_of_event(total, "Later events are kept from both runs")
    name, moment, history = as_of(opened.run, number, at)
    asked = [
        Selection("recommend", name, SHOWN, run_label(one.name), at=moment, history=history)
        for one in (opened, other)
    ]
    with st.spinner("Asking both models …"):
        _lists([opened, other], asked, [user_score_help(one) for one in (opened, other)])


def _tried(one: OpenRun, asked: Selection) -> "tuple[list[tuple[int, int]], list[str], list[float]] | str":
    """Rows, ids and scores of a list; where the run cannot give one, the reason."""
    try:
        found = asked.frame(one.run)
    except Exception as error:
        return told(error)
    return known_rows(one, found["listing_id"]), found["listing_id"].tolist(), found["score"].tolist()


def _lists(runs: list[OpenRun], asked: list[Selection], helps: list[str]) -> None:
    lists = [_tried(one, selection) for one, selection in zip(runs, asked, strict=True)]
    shared = 0
    if not any(isinstance(one, str) for one in lists):
        shared = len(set(lists[0][1]) & set(lists[1][1]))
        st.markdown(f"**{shared} of {max(len(lists[0][1]), len(lists[1][1]))}** are in both lists.")
    for number, (column, one, found) in enumerate(zip(st.columns(2, gap="large"), runs, lists, strict=True)):
        with column:
            st.subheader(formats.plain(run_label(one.name)), anchor=False)
            if isinstance(found, str):
                st.markdown(formats.plain(found))
                continue
            rows, ids, scores = found
            rules, own = asked[number].rules, asked[number].kind == "recommend" and adds_its_own(one.run)
            word = ListOptions(rules, own=own).score
            theirs = lists[1 - number]
            elsewhere = places(theirs[1]) if not isinstance(theirs, str) else {}
            cards = [
                listing_card(
                    one,
                    row,
                    score=f"{word} {scores[place]:.2f}",
                    badge=f"{formats.ordinal(elsewhere[ids[place]])} in the other list"
                    if ids[place] in elsewhere
                    else "",
                    tone="hit" if ids[place] in elsewhere else "",
                )
                for place, row in rows
            ]
            gallery(
                cards,
                key=f"side-{number}",
                box=one.box,
                label=f"The list of {run_label(one.name)}, the best first",
                photos=one.view.has_photos,
                least=150,
                score_help=helps[number],
            )
    as_code(runs[0], asked, runs)
