"""Where two rankings differ: every measure, and the queries with the largest difference, with history and both lists."""

from typing import Any, Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.saved import QUERIES
from listing_vibes.insight.comparison import Comparison, compare
from listing_vibes.insight.disagreements import (
    LISTED,
    SHOWN,
    describe_query,
    first_lists,
    is_quick,
    refit,
    usual_baseline,
)
from listing_vibes.insight.evidence import Bar
from listing_vibes.insight.quality import TITLES, not_measured
from listing_vibes.insight.rankings import distinct_examples, load_rankings, rankers, ranking_name
from listing_vibes.market.splits import Split
from listing_vibes.run.versions import results_of
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING, METRIC, uses_model
from listing_vibes.words import write_p
from listing_vibes_app.kit.controls import button, select
from listing_vibes_app.kit.evidence import show_bars
from listing_vibes_app.kit.gallery import Card, gallery, listing_card
from listing_vibes_app.kit.notices import empty, to_similar
from listing_vibes_app.server.boundary import describe_error
from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.params import link, set_params
from listing_vibes_app.server.runs import BY_RUN, OpenRun, open_run, run_params, run_paths, run_title
from listing_vibes_app.view import formats
from listing_vibes_app.view.formats import count, plain

MORE, MOST = 2, 12  # queries for each ranking
#: Least width in pixels of a photo, so that the `LISTED` of a list stand in one row, and of a card with a title.
SMALL, WORDY = 62, 130
RANK_HELP = (
    "The rank that each gave to the listing which the user interacted with next; ties count against it."
)
HELP = "Means over users; the difference is the first minus the second with its 95 % interval over users; p by a sign-flip test."


def show_queries(opened: OpenRun) -> None:
    """Show the queries on which one of two chosen rankings is better by the most ranks."""
    options = contestants(opened.name)
    if len(options) < 2:
        why = "An evaluated run has the rank of every next listing, by the model and by the baselines."
        empty("There are no queries to compare", why)
        st.markdown(plain(not_measured(opened.run)))
        to_similar()
        return
    keys = list(options)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = select("First", "a", options, keys[0], clears=("lists",), width=300)
        second = select("Second", "b", options, default_comparison(keys, first), clears=("lists",), width=300)
    if first == second:
        empty("Both are the same", "Choose two different rankings to see where they differ.")
        return
    (run, scorer), (other_run, other_scorer) = split_key(first), split_key(second)
    # The short labels omit what both rankings have in common.
    names = (run_title(run), run_title(other_run))
    if scorer != other_scorer:
        names = (ranking_name(scorer), ranking_name(other_scorer))
    comparison = compare_rankings(open_run(run), scorer, open_run(other_run), other_scorer)
    show_recalls(opened, comparison, (scorer, other_scorer), names)
    if comparison.apart.empty:
        empty("They never differ", "Both gave the same rank to every next listing.")
        return
    ahead = comparison.ahead
    st.markdown(
        f"{plain(names[0])} ranked the next listing higher on **{count(len(ahead[0]), 'query', 'queries')}**, {plain(names[1])} on "
        f"**{len(ahead[1]):,}**. Recall@30 differs by {_difference(comparison)}. Below, where each was ahead most.",
        help=RANK_HELP,
    )
    slow = [key for key in (first, second) if is_unfitted(*split_key(key))]
    for key in slow:
        offer_lists(options[key], key)
    shown = link().number("queries", SHOWN, SHOWN, MOST)
    sides = distinct_examples(*ahead, shown)
    frames = []
    for side, (column, rows) in enumerate(zip(st.columns(2, gap="medium"), sides, strict=True)):
        with column:
            st.header(plain(f"{names[side]} was better"), anchor=False)
            if rows.empty:
                st.markdown("On no query.")
            for number, row in enumerate(rows.to_dict("records")):
                frames.append(_show_query(open_run(run), row, names, f"query-{side}-{number}"))
    if max(map(len, ahead)) > shown and shown < MOST:
        button("Load more", "expand_more", lambda: set_params(queries=shown + MORE), key="more-queries")
    both = pd.concat(sides, ignore_index=True)
    for place, key in enumerate((first, second)):  # after the queries: fitting a ranking again takes seconds
        if key in slow:
            for unfitted in filter(None, frames):
                unfitted[place].empty()
            continue
        lists = _lists(*split_key(key), both)
        for number, (frame, listed, target) in enumerate(zip(frames, lists, both["target"], strict=True)):
            if frame is not None:
                with frame[place].container():
                    _show_list(open_run(run), names[place], listed, target, f"list-{number}-{place}")
    show_measures(comparison, names)


def show_recalls(
    opened: OpenRun, comparison: Comparison, scorers: tuple[str, str], names: tuple[str, str]
) -> None:
    """Show bars of popularity, as evaluated, and of two rankings, the first last."""
    measured = (opened.run.metrics or {}).get("results", {}).get("popularity", {}).get(METRIC, {})
    figures = measured, *(comparison.results[side][METRIC] for side in ("second", "first"))
    rows = zip(("popularity", *scorers[::-1]), ("Popularity", *names[::-1]), figures, strict=True)
    bars = {
        label: Bar(
            method=method,
            label=label,
            kind=_kind(method),
            **{part: figure[part] for part in ("value", "low", "high")},
        )
        for method, label, figure in rows
        if figure
    }
    show_bars("compared", bars.values(), "Recall@30. Line: range of chance (95%).")


def _kind(method: str) -> Literal["model", "other"]:
    return "model" if uses_model(method) else "other"


def split_key(key: str) -> tuple[str, str]:
    """Return the run and the scorer of a key of `contestants`."""
    run, _, scorer = key.rpartition("/")
    return run, scorer


def default_comparison(keys: list[str], first: str) -> str:
    """Return the default to compare with: the best method without a model of the same run, else another ranking, of this run first."""
    run, _ = split_key(first)
    others = sorted((key for key in keys if key != first), key=lambda key: split_key(key)[0] != run)
    key = f"{run}/{usual_baseline(open_run(run).run)}"
    return key if key in others else others[0]


def show_measures(comparison: Comparison, names: tuple[str, str]) -> None:
    """Show an expander with every measure and slice of two rankings, and their differences."""
    headings = dict(zip(("first", "second"), formats.numbered(names, " "), strict=True))
    headings |= {name: name.capitalize() for name in ("measure", "slice", "difference", "queries")}
    with st.expander("All measures and slices", key="measures", on_change="rerun") as expander:
        if not expander.open:  # slices take seconds
            return
        queries = f"{count(len(comparison.queries), 'query', 'queries')} of {count(comparison.users, 'user')}"
        st.caption(f"On {queries} that both answered. {HELP}")
        if comparison.other_candidates:
            number = count(comparison.other_candidates, "query", "queries")
            st.caption(f"In {number} the two runs chose from different numbers of listings.")
        alt = "Every measure of both rankings and the difference"
        measures, slices = comparison.measures(), comparison.measures_by_slice()
        parts = (metric.partition("@") for metric in measures["measure"])
        measures["measure"] = [TITLES[name] + at + k for name, at, k in parts]
        st.dataframe(measures.rename(columns=headings), hide_index=True, alt=alt)
        if len(slices):
            st.caption("Recall@30 in slices of the queries; p after Holm's correction for their number")
            alt = "Recall@30 of both rankings and the difference in every slice"
            slices["slice"] = slices["slice"].map(formats.words)
            st.dataframe(slices.rename(columns=headings), hide_index=True, alt=alt)


def _difference(comparison: Comparison) -> str:
    main = comparison.differences[METRIC]
    value, low, high = (
        None if part is None else 100 * part for part in map(main.get, ("value", "low", "high"))
    )
    span = "one user" if low is None else f"{low:+.1f} to {high:+.1f}"
    return f"{value:+.1f} points ({span}, p {write_p(main['p_holm'])})"


def is_unfitted(run: str, scorer: str) -> bool:
    """Return whether a scorer is slow to fit again, and the URL does not ask for it."""
    return not is_quick(open_run(run).run, scorer) and st.query_params.get("lists") != "1"


def offer_lists(name: str, key: str) -> None:
    """Draw a button that fits a slow scorer again for its lists."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"fitted-{key}"):
        label = f"Show the lists of {plain(name)}"
        button(label, "view_carousel", lambda: set_params(lists=1), key=f"fit-{split_key(key)[1]}")
        why = "It has to be fitted again for that, which may take a minute or more."
        st.caption(why, width="content")


def _lists(run: str, scorer: str, queries: pd.DataFrame) -> list[list[str] | str]:
    """Return the first listings of a ranking on each query, or why they are not shown."""
    try:
        return list(lists_of(open_run(run), scorer, queries, LISTED))
    except Exception as error:
        return [describe_error(error)] * len(queries)


def _show_query(
    opened: OpenRun, row: dict[str, Any], names: tuple[str, str], key: str
) -> list[DeltaGenerator] | None:
    """Show a query: the history and the next listing, and a link to the user at that moment; return the frames of both lists."""
    query = describe_query(opened.run, row)
    if query is None:
        return None
    view, rows = opened.view, opened.view.market.listing_row
    user = view.user_name(opened.run.user_number[query.user])
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            ranks = [f"{name} {formats.ordinal(rank)}" for name, rank in zip(names, query.ranks, strict=True)]
            st.markdown(f"**{plain(' · '.join(ranks))}**", width="content")
            params = {"user": query.user, "at": str(max(1, query.events)), **run_params(opened)}
            st.page_link(page_file("users"), label=plain(user), query_params=params)
        cards = [_card(opened, rows[query.target], tone="hit")]
        cards += [_card(opened, rows[item]) for item in query.history[: LISTED - 1]]
        label = f"Next listing, and the history of {user}"
        st.caption("The next listing, then the history, newest first")
        gallery(opened, cards, key=f"{key}-history", label=label, least=_least(opened))
        frames = [st.empty() for _ in names]
        for name, frame in zip(names, frames, strict=True):
            frame.caption(plain(f"First by {name}: ranking …"))
        return frames


def _least(opened: OpenRun) -> int:
    return SMALL if opened.view.has_photos else WORDY


def _card(opened: OpenRun, row: int, **more: Any) -> Card:
    """Return a card of which only the photo is shown, if the listing has one."""
    if not opened.view.photos(row):
        return listing_card(opened, row, facts=[], **more)
    return listing_card(opened, row, facts=[], title="", photos=[], alt=opened.view.title(row), **more)


def _show_list(opened: OpenRun, name: str, listed: list[str] | str, target: str, key: str) -> None:
    """Show the first listings of a ranking, with a mark on the next listing."""
    if isinstance(listed, str) or not listed:
        st.caption(plain(f"First by {name}: {listed or 'nothing'}"))
        return
    cards = []
    for listing in listed:
        row = opened.view.market.listing_row.get(listing)  # None: only the other run has it
        if row is not None:
            cards.append(_card(opened, row, tone="hit" if listing == target else ""))
    st.caption(plain(f"First by {name}, the best first"))
    gallery(opened, cards, key=key, label=f"First by {name}", least=_least(opened))


def _rankers(opened: OpenRun) -> list[str]:
    """Return the scorers of the run's evaluation; none without one."""
    path = results_of(opened.run.path) / QUERIES
    return _load_rankers(opened, path.stat().st_mtime_ns) if path.is_file() else []


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _load_rankers(opened: OpenRun, stamp: int) -> list[str]:
    frame = load_rankings(opened.run)
    return [] if frame is None else rankers(frame)


@st.cache_resource(show_spinner="Comparing ...", max_entries=8, hash_funcs=BY_RUN)
def compare_rankings(run: OpenRun, scorer: str, other_run: OpenRun, other_scorer: str) -> Comparison:
    """Return the comparison of two rankings of evaluated runs, as in `vibes compare`."""
    return compare(run.run, other_run.run, scorer, other_scorer)


def contestants(current: str) -> dict[str, str]:
    """Return the label of each ranking `run/scorer`: the `current` run's default ranking, other default rankings, the rest."""
    values: dict[tuple[str, str], str] = {}
    for name in run_paths():
        try:
            scorers = _rankers(open_run(name))
        except VibesError as error:  # leave the run out; the page shows the error
            st.caption(f"{plain(name)} is left out: {plain(describe_error(error))}")
            continue
        for scorer in scorers:
            values[name, scorer] = ranking_name(scorer) + (f" · {run_title(name)}" if name != current else "")
    order = sorted(values, key=lambda item: (item[1] != DEFAULT_RANKING, item[0] != current))
    return {f"{name}/{scorer}": values[name, scorer] for name, scorer in order}


def lists_of(opened: OpenRun, scorer: str, queries: pd.DataFrame, k: int) -> list[list[str]]:
    """Return the first `k` listings that a scorer of the run's evaluation gives for each of the queries.

    Raises:
        VibesError: it cannot be fitted again, or the market changed since.
    """
    return first_lists(opened.run, scorer, queries, k, lambda: _scorer(opened, scorer))


@st.cache_resource(show_spinner=False, max_entries=12, hash_funcs=BY_RUN)
def _scorer(opened: OpenRun, scorer: str) -> tuple[Split, Scorer]:
    return refit(opened.run, scorer)
