"""The queries on which two rankings differ most: what was really touched, the history before it, and both lists."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.insight.rankings import unlike
from listing_vibes.report.text import best_baseline
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, uses_model
from listing_vibes_app.app_pages.compare.measures_apart import measures_apart
from listing_vibes_app.app_pages.compare.rankings import contestants, lists_of, quick, two_rankings
from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.empty import empty, to_similar
from listing_vibes_app.kit.gallery import Card, gallery
from listing_vibes_app.kit.measures import method_name
from listing_vibes_app.kit.notices import unmeasured
from listing_vibes_app.server.boundary import told
from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.params import chosen, keep, set_params, whole
from listing_vibes_app.server.runs import OpenRun, known_rows, open_run, run_paths
from listing_vibes_app.view import formats

SHOWN, MORE, MOST = 3, 3, 12  # queries of a side
LISTED = 8  # first places of a ranking
NEWEST = 8  # listings of a history
PLACE_HELP = "The place that each gave to the listing which the user touched next; ties count against it."


def queries_apart(opened: OpenRun) -> None:
    """Two rankings, and their most different queries either way."""
    options = contestants(opened.name)
    if len(options) < 2:
        nothing = "There are no queries to compare"
        if opened.view.has_events:
            empty(
                nothing,
                "A measured run knows the place of every touched listing, by the model and by the baselines.",
            )
            unmeasured(opened)
        else:
            empty(nothing, "This market has no events, so there is nothing to ask.")
            to_similar()
        return
    labels = list(options)
    codes = {f"{run}/{scorer}": label for label, (run, scorer) in options.items()}
    first = codes.get(chosen("a", list(codes), ""), labels[0])
    second = codes.get(chosen("b", list(codes), ""), _rival(options, first))
    st.session_state["a"], st.session_state["b"] = first, second
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-rankings"):
        for key, label in (("a", "First"), ("b", "Second")):
            st.selectbox(label, labels, key=key, on_change=_kept, args=(key, options), width=300)
    if first == second:
        empty("Both are the same", "Choose two different rankings to see where they differ.")
        return
    (run, scorer), (other_run, other_scorer) = options[first], options[second]
    comparison = two_rankings(open_run(run), scorer, open_run(other_run), other_scorer)
    # On the cards and in the table what the two have in common is left out.
    short = (run, other_run) if scorer == other_scorer else (method_name(scorer), method_name(other_scorer))
    measures_apart(comparison, short)
    found = comparison.apart
    if found.empty:
        empty("They never differ", "Both gave the same place to every listing that was touched next.")
        return
    better = int((found["gain"] > 0).sum())
    st.markdown(
        f"On **{formats.count(better, 'query', 'queries')}** {formats.plain(first)} put the touched listing higher, on "
        f"**{len(found) - better:,}** {formats.plain(second)}. Shown are those where they are furthest apart, each of "
        "another user and listing.",
        help=PLACE_HELP,
    )
    many = whole("queries", SHOWN, SHOWN, MOST)
    sides = unlike(found[found["gain"] > 0], found[found["gain"] < 0][::-1], many)
    both = pd.concat(sides, ignore_index=True)
    lists = [
        _lists(name, *pair, both)
        for name, pair in zip((first, second), ((run, scorer), (other_run, other_scorer)), strict=True)
    ]
    drawn = 0
    for side, (title, rows) in enumerate(zip((first, second), sides, strict=True)):
        theirs = [part[drawn : drawn + len(rows)] for part in lists]
        drawn += len(rows)
        st.subheader(formats.plain(f"{title} knew better"), anchor=False)
        if rows.empty:
            st.markdown("On no query.")
        for at, row in enumerate(rows.to_dict("records")):
            _query(open_run(run), row, short, [part[at] for part in theirs], f"query-{side}-{at}")
    left = max(int((found["gain"] > 0).sum()), int((found["gain"] < 0).sum())) - many
    if left > 0 and many < MOST:
        st.button(
            f"Show {min(MORE, MOST - many)} more of each",
            icon=":material/expand_more:",
            on_click=lambda: set_params(queries=many + MORE),
            key="more-queries",
        )


def _rival(options: dict[str, tuple[str, str]], first: str) -> str:
    """What to compare with unless asked: another run's model where that was asked the same, else the hardest rival, else what
    serving adds to the model."""
    others = [label for label in options if label != first]
    models = (label for label in others if options[label][1] == DEFAULT_RANKING)
    model = next((label for label in models if _asked_alike(options[first], options[label])), None)
    if model is not None:
        return model
    hardest = best_baseline((open_run(options[first][0]).run.metrics or {}).get("results", {}))
    own = [label for label in others if options[label][0] == options[first][0]]
    rivals = [label for label in own if options[label][1] == hardest]
    baselines = [label for label in own if not uses_model(options[label][1])]
    return (rivals or baselines or own or others)[0]


def _asked_alike(one: tuple[str, str], two: tuple[str, str]) -> bool:
    """Whether two rankings (run, scorer) can be compared."""
    try:
        two_rankings(open_run(one[0]), one[1], open_run(two[0]), two[1])
    except VibesError:
        return False
    return True


def _kept(key: str, options: dict[str, tuple[str, str]]) -> None:
    run, scorer = options[st.session_state[key]]
    st.session_state[f"{key}-code"] = f"{run}/{scorer}"
    set_params(lists=None)
    keep(f"{key}-code", key)


def _lists(name: str, run: str, scorer: str, asked: pd.DataFrame) -> list[list[str] | str]:
    """The first places of a ranking on each query, or why they are not shown; a slow scorer is fitted once asked for."""
    opened = open_run(run)
    if not quick(opened, scorer) and st.query_params.get("lists") != "1":
        with st.container(horizontal=True, vertical_alignment="center", key=f"fitted-{run}-{scorer}"):
            st.button(
                f"Show the lists of {formats.plain(name)}",
                icon=":material/view_carousel:",
                on_click=lambda: set_params(lists=1),
                key=f"fit-{scorer}",
            )
            st.caption(
                "It has to be fitted again for that, which may take a minute or more.", width="content"
            )
        return ["Not fitted here yet."] * len(asked)
    try:
        with st.spinner(f"Asking {formats.plain(name)} …"):
            return list(lists_of(opened, scorer, asked, LISTED))
    except Exception as error:
        return [told(error)] * len(asked)


def _query(
    opened: OpenRun, row: dict[str, Any], names: tuple[str, str], lists: list[list[str] | str], key: str
) -> None:
    """One query: what was touched next, the way to the user at that moment, the history, and both lists."""
    view = opened.view
    target, user = view.market.listing_row.get(row["target"]), view.user_row.get(row["user_id"])
    if target is None or user is None:  # the market lost them
        return
    log = view.log
    start, end = int(log.start[user]), int(log.start[user + 1])
    when = pd.Timestamp(row["at"]).value if log.timed else int(row["at"])
    at = int(np.searchsorted(log.time[start:end], when))
    moment = formats.moment(int(when)) if log.timed else f"event {at + 1:,}"
    ranks = [
        f"{name} {formats.ordinal(int(row[side]))}"
        for name, side in zip(names, ("first", "second"), strict=True)
    ]
    run = {"run": opened.name} if len(run_paths()) > 1 else {}
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{formats.plain(' · '.join(ranks))}**", help=PLACE_HELP, width="content")
            st.page_link(
                page_file("users"),
                label=formats.plain(f"{view.user_name(user)}, {moment}"),
                query_params={"user": row["user_id"], "at": str(max(1, at)), **run},
            )
        history = list(dict.fromkeys(int(one) for one in log.listing[start : start + at][::-1]))[:NEWEST]
        cards = [listing_card(opened, target, step="Touched next", tone="hit")]
        cards += [
            listing_card(opened, one, step="History, newest first" if not place else "")
            for place, one in enumerate(history)
        ]
        _strip(opened, cards, f"Touched next, and the history of {view.user_name(user)}", f"{key}-history")
        for number, (name, found) in enumerate(zip(names, lists, strict=True)):
            if isinstance(found, str) or not found:
                st.caption(formats.plain(f"{name} put first: {found or 'nothing'}"))
                continue
            cards = [
                listing_card(
                    opened,
                    listing,
                    facts=[],
                    step=f"{name}: {place + 1}",
                    tone="hit" if listing == target else "",
                )
                for place, listing in known_rows(opened, found)
            ]
            _strip(opened, cards, f"{name} put first", f"{key}-{number}")


def _strip(opened: OpenRun, cards: list[Card], label: str, key: str) -> None:
    gallery(
        cards, key=key, box=opened.box, label=label, layout="strip", photos=opened.view.has_photos, least=130
    )
