"""The queries on which two rankings differ most, with the photo of what was really touched."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.app_pages.compare.measures_apart import measures_apart
from app.app_pages.compare.rankings import MODEL, contestants, ordinal, two_rankings
from app.kit.cards import address, listing_card
from app.kit.empty import empty, to_similar
from app.kit.gallery import Card, gallery
from app.kit.measures import method_name
from app.kit.unmeasured import unmeasured
from app.server.params import keep
from app.server.runs import OpenRun, open_run
from app.view import formats

SHOWN = 12
PLACE_HELP = "The place that each gave to the listing which the user touched next; ties count against it."


def queries_apart(opened: OpenRun) -> None:
    """Two rankings, and their most different queries either way."""
    options = contestants()
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
    first = codes.get(st.query_params.get("a", ""), labels[0])
    second = codes.get(st.query_params.get("b", ""), _rival(options, first))
    st.session_state["a"], st.session_state["b"] = first, second
    with st.container(horizontal=True, vertical_alignment="bottom"):
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
        f"On **{better:,}** queries {formats.plain(first)} put the touched listing higher, on "
        f"**{len(found) - better:,}** {formats.plain(second)}.",
        help=PLACE_HELP,
    )
    subject = open_run(run)
    _side(
        subject, found[found["gain"] > 0].drop_duplicates("target").head(SHOWN), short, f"{first} knew better"
    )
    _side(
        subject,
        found[found["gain"] < 0][::-1].drop_duplicates("target").head(SHOWN),
        short,
        f"{second} knew better",
    )


def _rival(options: dict[str, tuple[str, str]], first: str) -> str:
    """What to compare with unless asked: another run's model, else a baseline, else what serving adds to the model."""
    others = [label for label in options if label != first]
    models = [label for label in others if options[label][1] == MODEL]
    baselines = [label for label in others if not options[label][1].startswith(MODEL)]
    return (models or baselines or others)[0]


def _kept(key: str, options: dict[str, tuple[str, str]]) -> None:
    run, scorer = options[st.session_state[key]]
    st.session_state[f"{key}-code"] = f"{run}/{scorer}"
    keep(f"{key}-code", key)


def _side(opened: OpenRun, rows: pd.DataFrame, names: tuple[str, str], title: str) -> None:
    st.subheader(formats.plain(title), anchor=False)
    if rows.empty:
        st.markdown("On no query.")
        return
    cards = [card for row in rows.to_dict("records") if (card := query_card(opened, row, names))]
    gallery(
        cards,
        key=f"apart-{title}",
        box=opened.box,
        label=title,
        photos=opened.view.has_photos,
        score_help=PLACE_HELP,
    )


def query_card(opened: OpenRun, row: dict[str, Any], names: tuple[str, str]) -> Card | None:
    """The listing that was touched, where each ranked it, and the way to the user at that moment."""
    view = opened.view
    listing, user = view.market.listing_row.get(row["target"]), view.user_row.get(row["user_id"])
    if listing is None or user is None:
        return None
    log = view.log
    when = pd.Timestamp(row["at"]).value if log.timed else int(row["at"])
    start, end = int(log.start[user]), int(log.start[user + 1])
    at = int(np.searchsorted(log.time[start:end], when))
    moment = formats.moment(int(when)) if log.timed else f"event {at + 1:,}"
    card = listing_card(opened, listing, step=f"{view.user_name(user)}, {moment}")
    told = [(name, ordinal(int(row[side]))) for name, side in zip(names, ("first", "second"), strict=True)]
    told.append(("History", formats.count(int(row["history_length"]), "event")))
    link = address(opened, "users", user=row["user_id"], at=max(1, at))
    return Card(**{**card.__dict__, "facts": told, "href": link})
