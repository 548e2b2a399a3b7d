"""The options of a list, the same on every page with lists: its blend, its length and its rules."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes.insight.selection.page_lists import PAGES, Selection
from listing_vibes.insight.selection.url_parameters import (
    DEFAULT,
    WIDEST,
    default_blend,
    escaped,
    fitted_blends,
    groupings,
    read_rules,
)
from listing_vibes.run.blends import NO_BLEND
from listing_vibes.run.conditions import explain_unmet
from listing_vibes.run.rules import Rules, declared
from listing_vibes.words import capitalize, enumerated
from listing_vibes_app.kit.controls import switch
from listing_vibes_app.kit.dials import dial_button
from listing_vibes_app.kit.notices import empty
from listing_vibes_app.server.params import bind, link, set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import moment

HELP = (
    "**Recency** ranks listings higher that many users interacted with recently · **Neighbors**: listings near the history by "
    "attributes, photos or texts, without training · **Ids**: listings that users of this history's listings interacted with, by "
    "their ids only. The weights are those that were best on validation."
)
#: Parameters of all rules except `same`.
RULES = tuple(rule.parameter for rule in declared() if rule.field != "same")
#: Rules whose value is a text with entries separated by semicolons.
TEXTS = [rule for rule in declared() if rule.label]
#: Note on the card of a listing that a rule put into the list, see `listing_vibes.run.rules.RULED`.
NOTES = {
    "pinned": "pinned",
    "without at_most": "beyond “at most”",
    "without same": "beyond “the same as”",
    "without where": "beyond “only where”",
}


def read_selections(opened: OpenRun, page: str, **params: str) -> list[Selection]:
    """Return the lists that the URL of a page defines, read as in a notebook and a report; `params` replace some parameters."""
    return PAGES[page](opened.run, link(**params))


def blend_switch(opened: OpenRun) -> None:
    """Draw the choice of blends that `vibes evaluate` fitted, if there are any."""
    default, additions = default_blend(opened.run), fitted_blends(opened.run)
    if default is None and not additions:
        return
    options = {} if default is None else {DEFAULT: capitalize(enumerated(default.parts.split("+")))}
    options |= {NO_BLEND: "Nothing", **{name: capitalize(enumerated(name.split("+"))) for name in additions}}
    switch("Blend with", "with", options, NO_BLEND if default is None else DEFAULT, help=HELP)


def list_options(opened: OpenRun, users: bool, more: Callable[[], Any] = lambda: None) -> Rules:
    """Draw a button that opens the blend, the style direction and the rules of a list, each a query parameter; return the rules.

    Args:
        users: True for a list for a user or a history, False for similar listings.
        more: draws further options.
    """
    market, params = opened.view.market, link()
    now = read_rules(market, params, users)
    labels = {item.name: item.label for item in groupings(market)}
    changed = sum(name in params for name in RULES if name != "most") + bool(now.same)
    with st.popover(f"Advanced ({changed})" if changed else "Advanced", icon=":material/tune:", width=150):
        if users:
            blend_switch(opened)
        more()
        dial_button()
        if users and labels:
            st.multiselect(
                "The same as the newest listing of the history",
                list(labels),
                format_func=labels.__getitem__,
                placeholder="any",
                **bind("same", list(now.same), [], write=lambda names: ",".join(map(escaped, names))),
            )
        if labels:
            left, right = st.columns([1, 2])
            most = bind("most", params.number("most", 2, 1, 99), 2)
            left.number_input("At most", 1, 99, disabled=now.seller is None, **most)
            per = bind("per", now.seller) | {"index": None, "placeholder": "any number"}
            right.selectbox("of the same", list(labels), format_func=labels.__getitem__, **per)
        help = "0: by score only; more: listings that differ from those above rank higher"
        st.slider("Variety", 0, WIDEST, help=help, **bind("variety", round(10 * now.diversity), 0))
        for rule in TEXTS:
            help = f"{rule.description}; separate several by semicolons"
            text = bind(rule.parameter, params.get(rule.parameter, ""), "")
            st.text_input(rule.label, placeholder=rule.example, help=help, **text)
        live = users if now.live_only is None else now.live_only
        st.checkbox("Only listings active at that moment", **bind("live", live, users, write=int))
        if users:
            seen = bind("seen", now.drop_seen is False, False, write=int)
            st.checkbox("Also listings that are in the history", **seen)
        help = "Drops “at most” first, then “the same as”, then “only where”; the cards show which"
        st.checkbox("Fill up where too few remain", help=help, **bind("fill", now.fill, False, write=int))
        st.button("No rules", key="no-rules", on_click=lambda: clear_rules(users), disabled=not changed)
    return now


def clear_rules(users: bool) -> None:
    """Remove every rule from the URL, but not the blend and the filter `same` of similar listings."""
    set_params(**dict.fromkeys((*RULES, "same") if users else RULES))


def score_lines(opened: OpenRun, selection: Selection, result: pd.DataFrame) -> tuple[list[str], str]:
    """Return the score line of each row's card, with the rule that put the listing there, and the help of the score."""
    word, meaning = describe_score(opened, selection)
    notes = [f" · {note}" if note else "" for note in rule_notes(result)]
    return [f"{word} {score:.2f}{note}" for score, note in zip(result["score"], notes, strict=True)], meaning


def rule_notes(result: pd.DataFrame) -> list[str]:
    """Return for each row the rule that put the listing there, in words; empty where none did."""
    rules = result["rule"] if "rule" in result else [""] * len(result)
    return [NOTES.get(rule, "") for rule in map(str, rules)]


_ENDS = "1 is the same direction, 0 is nothing in common"


def describe_score(opened: OpenRun, selection: Selection) -> tuple[str, str]:
    """Return the name and the help of a list's score."""
    run, added = opened.run, selection.blend
    if selection.kind == "recommend" and (
        default_blend(run) is not None if added is None else added != NO_BLEND
    ):
        return "Score", "The model's similarity blended with other scores; only the order has a meaning."
    if selection.kind == "recommend" and not run.has_model:
        return (
            "Score",
            "How near it is to the history's listings, without training; only the order has a meaning.",
        )
    if selection.rules.moves_scores:
        return "Score", "The similarity plus rules, in standard deviations; only the order has a meaning."
    if selection.kind != "recommend":
        return "Similarity", f"The cosine of the two vectors in this space: {_ENDS}."
    weight = run.late_interaction.weight if run.has_model else 0
    neighbors = "How near the listing is to the history: "
    if not weight:
        return "Similarity", f"{neighbors}the cosine of their vectors; {_ENDS}."
    return "Similarity", (
        f"{neighbors}the mean of its cosine to the history as a whole and of its greatest cosine to one listing of it, weighted "
        f"{weight:g}; {_ENDS}."
    )


def nothing_listed(
    opened: OpenRun,
    selection: Selection,
    why: str,
    way_out: tuple[str, Callable[[], Any]] | None = None,
    name: str = "",
) -> None:
    """Show why a list for a user is empty, with a button: no rules, listings that are no longer active, or `way_out`.

    Args:
        why: the reason if a listing is active at that moment.
        way_out: label of a button, and the function that a click calls.
        name: of the list, if a page has several.
    """
    rules, catalogue = selection.rules, opened.run.catalogue
    time = opened.run.moment(selection.at)
    if rules.live_only is False or bool(catalogue.live(time).any()):
        if rules != Rules():
            way_out = "No rules", lambda: clear_rules(users=True)
        why, key = explain_unmet(opened.run.market, rules) or why, f"nothing-recommended{name}"
        action, on_click = way_out or ("", None)
        empty("There is nothing to recommend", why, action, on_click, key)
        return
    when = f" on {moment(time)}" if opened.view.log.timed else ""
    ended = catalogue.until[catalogue.until <= time]
    last = f"; the last of them ended on {moment(int(ended.max()))}" if len(ended) else ""
    why = f"Recommendations are of listings that are active{when}, and there is none{last}."
    action, key = "Also listings no longer active", f"also-ended{name}"
    empty("No listing is active at that moment", why, action, lambda: set_params(live=0), key)
