"""What a list goes by, kept in the URL: what is added to the model, and the rules of `listing_vibes.run.rules`."""

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from listing_vibes.insight.selection.params import (
    OWN,
    WIDEST,
    beside_of,
    escaped,
    groupings,
    offered,
    own_fit,
    read_rules,
    usual,
)
from listing_vibes.run.fits import NOTHING
from listing_vibes.run.rules import Rules, declared
from listing_vibes.words import enumerated
from listing_vibes_app.kit.switch import switch
from listing_vibes_app.server.params import in_vain, keep, quoted, set_params, whole
from listing_vibes_app.server.runs import OpenRun

HELP = (
    "**Recency**: what many touched lately comes first · **Neighbors**: what lies near the history by its attributes, photos "
    "or texts, untrained, comes first · **Ids**: what users of this history's listings touched, known by their ids alone. Each "
    "is weighed as it served best on validation."
)
#: Parameters in the URL, beside `same`.
RULES = tuple(rule.parameter for rule in declared() if rule.field != "same")
#: Rules that are texts with semicolons between them.
TEXTS = [rule for rule in declared() if rule.written.label]
#: What a card says of a listing that a rule put into the list, see `listing_vibes.run.rules.RULED`.
TOLD = {
    "pinned": "pinned",
    "without at_most": "beyond “at most”",
    "without same": "beyond “the same as”",
    "without where": "beyond “only where”",
}


@dataclass(frozen=True)
class ListOptions:
    """What `Run.recommend` takes beside the history."""

    rules: Rules
    beside: str | None = None
    own: bool = False  # whether lists of the run add something unasked

    @property
    def score(self) -> str:
        """What the number at a listing is: of the model alone a cosine."""
        alone = not self.own if self.beside is None else self.beside == NOTHING
        return "Similarity" if alone and not self.rules.moves_scores else "Score"

    @property
    def key(self) -> str:
        """As text, for caches."""
        return f"{self.beside} {self.rules.model_dump_json()}"


def additions(opened: OpenRun) -> dict[str, str]:
    """The names of what `vibes evaluate` fitted beside the model, by those of `Run.recommend`; none that changes nothing."""
    fits = offered(opened.run)
    return {added: _named(added, fits) for added in fits}


def _named(added: str, fits: Collection[str]) -> str:
    """`neighbors+recency` as "Both" where each stands among the `fits` that are offered, else as "Neighbors and recency"."""
    parts = added.split("+")
    if set(parts) == {"neighbors", "recency"} <= set(fits):
        return "Both"
    text = enumerated(parts)
    return text[:1].upper() + text[1:]


def beside_switch(opened: OpenRun, named: dict[str, str]) -> str | None:
    """What to add to the model, of what is offered as `named`, as `Run.recommend` takes it; the model alone is the first to be
    shown but of a run whose lists add something unasked."""
    fit = own_fit(opened.run)
    own = {} if fit is None else {OWN: _named(fit.holds, named)}
    if not named and not own:
        if (asked := st.query_params.get("with", NOTHING)) != NOTHING:
            in_vain(f"The link asks for {quoted('with', asked)}, and this run adds nothing to the model.")
        return None
    options, default = own | {NOTHING: "Nothing", **named}, usual(opened.run, list(named))
    return beside_of(opened.run, switch("Add to the model", "with", options, default, help=HELP))


def rules_button(opened: OpenRun, users: bool = True) -> Rules:
    """The rules of a list behind a button, as `vibes recommend` and `vibes similar` take them."""
    view = opened.view
    params = st.query_params.to_dict()
    left: list[tuple[str, str]] = []
    now = read_rules(view.market, params, users, left)
    for part in left:
        in_vain(f"The link's rule {quoted(*part)} is none of this market's; it is left out.")
    labels = {item.name: item.label for item in groupings(view.market)}
    changed = len(
        [name for name in RULES if name != "most" and st.query_params.get(name) is not None]
    ) + bool(now.same)
    with st.popover(f"Rules ({changed})" if changed else "Rules", icon=":material/rule:", width=150):
        if users and labels:
            _same(now, labels)
        if labels:
            _at_most(now, labels)
        st.session_state["variety"] = round(10 * now.diversity)
        st.slider(
            "Variety",
            0,
            WIDEST,
            key="variety",
            on_change=keep,
            args=("variety", "variety", 0),
            help="0: by score alone; more: what is unlike the listings above it comes earlier",
        )
        for row in (TEXTS[:1], *(TEXTS[at : at + 2] for at in range(1, len(TEXTS), 2))):
            for rule, column in zip(row, st.columns(len(row)), strict=True):
                name = rule.parameter
                st.session_state[name] = st.query_params.get(name, "")
                column.text_input(
                    rule.written.label,
                    key=name,
                    placeholder=rule.written.example,
                    on_change=keep,
                    args=(name, name, ""),
                    help=f"{rule.description}; semicolons between several",
                )
        live = users if now.live_only is None else now.live_only
        _tick("Only listings live at that moment", "live", live, users)
        if users:
            _tick("Also listings that are in the history", "seen", now.drop_seen is False, False)
        _tick(
            "Fill up where too few remain",
            "fill",
            now.fill,
            False,
            "Then without “at most”, then without “the same as”, then without “only where”; the cards say so",
        )
        st.button("No rules", on_click=clear_rules, args=(users,), disabled=not changed, key="no-rules")
    return now


def clear_rules(users: bool) -> None:
    """Take every rule out of the URL; what is added to the model stays, as does the filter `same` of similar listings."""
    set_params(**dict.fromkeys((*RULES, "same") if users else RULES))


def put_there(found: pd.DataFrame, place: int) -> str:
    """What a card says behind the score of a listing that a rule put into the list; empty where its score did."""
    said = TOLD.get(str(found["rule"].iloc[place]), "") if "rule" in found else ""
    return said and f" · {said}"


def _same(now: Rules, labels: dict[str, str]) -> None:
    st.session_state["rule-same"] = list(now.same)
    st.multiselect(
        "The same as the newest listing of the history",
        list(labels),
        key="rule-same",
        format_func=labels.__getitem__,
        placeholder="any",
        on_change=lambda: set_params(same=",".join(map(escaped, st.session_state["rule-same"])) or None),
    )


def _at_most(now: Rules, labels: dict[str, str]) -> None:
    st.session_state["per"] = now.seller
    left, right = st.columns([1, 2])
    with right:
        st.selectbox(
            "of the same",
            list(labels),
            key="per",
            index=None,
            format_func=labels.__getitem__,
            placeholder="any number",
            on_change=keep,
            args=("per", "per"),
        )
    with left:
        st.session_state["most"] = whole("most", 2, 1, 99)
        st.number_input(
            "At most",
            1,
            99,
            key="most",
            disabled=now.seller is None,
            on_change=keep,
            args=("most", "most", 2),
        )


def _tick(label: str, name: str, now: bool, usual: bool, told: str | None = None) -> None:
    st.session_state[name] = now

    def change() -> None:
        value = bool(st.session_state[name])
        set_params(**{name: None if value == usual else int(value)})

    st.checkbox(label, key=name, on_change=change, help=told)
