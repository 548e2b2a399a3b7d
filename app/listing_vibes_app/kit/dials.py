"""Style directions ("more like these, less like those"), with a slider for the strength of each."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from listing_vibes.errors import VibesError
from listing_vibes.run.rule_gains import Dial, read_dial
from listing_vibes.run.rules import Rules
from listing_vibes.words import capitalize
from listing_vibes_app.kit.controls import button
from listing_vibes_app.kit.gallery import MAKING, SIDES, read_ids
from listing_vibes_app.kit.spaces import in_order, label_of
from listing_vibes_app.server.params import hold, set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import plain, shorten

STRONGEST, STEP = 3.0, 0.25  # largest strength and step of a slider
HELP = (
    "How far the list moves along “{}”, in standard deviations of its scores for a listing that lies one standard deviation along. "
    "More like {}; less like {}. 0 leaves the list as it is."
)


def dial_button() -> None:
    """Draw the button that starts a style direction; a click on a card then makes the listing an example."""
    making = MAKING in st.query_params
    with st.container(key="dial-place", width=160):
        label, icon = ("No new dial", "close") if making else ("Vibe dial", "tune")
        start = {**dict.fromkeys(SIDES), MAKING: None if making else 1}
        button(label, icon, lambda: set_params(**start), key="open-dial", width="stretch")


def dial_sliders(opened: OpenRun, rules: Rules) -> DeltaGenerator:
    """Draw a slider and a remove button for each style direction; return the container for `new_dial`."""
    for number, text in enumerate(rules.dial):
        try:
            dial = read_dial(text)
        except VibesError:
            continue  # the list shows the error

        def write(*changed: str, number: int = number) -> None:
            _write([*rules.dial[:number], *changed, *rules.dial[number + 1 :]])

        def move(weight: float, dial: Dial = dial, write: Any = write) -> None:
            write(str(replace(dial, weight=weight)))

        with st.container(horizontal=True, vertical_alignment="bottom", key=f"labelled-dial-{number}"):
            st.slider(
                plain(capitalize(dial.name)),
                -STRONGEST,
                STRONGEST,
                step=STEP,
                help=plain(HELP.format(dial.name, _titles(opened, dial.more), _titles(opened, dial.less))),
                width=420,
                **hold(f"dial-{number}", max(-STRONGEST, min(STRONGEST, dial.weight)), move, once=True),
            )
            button(plain(f"Without {dial.name}"), "close", write, key=f"no-dial-{number}")
    return st.container()


def new_dial(opened: OpenRun, place: DeltaGenerator, rows: Sequence[int], rules: Rules) -> None:
    """Draw the form of a style direction: name, space and examples, chosen on cards, from `rows` (of the market) or by id."""
    if MAKING not in st.query_params:
        return
    ids = [opened.view.ids[row] for row in rows]
    picked = [listing for side in SIDES for listing in read_ids(side)]
    spaces = in_order(opened.run.spaces)

    def title(listing: str) -> str:
        row = opened.view.market.listing_row.get(listing)
        name = listing if row is None else shorten(opened.view.title(row), 50)
        return f"{ids.index(listing) + 1}. {name}" if listing in ids else name

    with place, st.container(border=True, key="new-dial"):
        st.markdown(
            "Examples define a style direction, and a slider moves the list along it. On the cards, **More** adds an example to "
            "move towards, and **Less** adds one to move away from."
        )
        with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-dial"):
            st.text_input(
                "What to call it",
                key="dial-name",
                placeholder="lighter, more rustic",
                max_chars=40,
                width=280,
            )
            st.segmented_control(
                "Direction in",
                spaces,
                default=spaces[0],
                key="dial-space",
                format_func=label_of,
                required=True,
            )
            st.button(
                "Make the dial", key="make-dial", disabled=not picked, on_click=lambda: _make(opened, rules)
            )
        for (side, label), column in zip(SIDES.items(), st.columns(2), strict=True):

            def change(listings: list[str], side: str = side) -> None:
                other = next(name for name in SIDES if name != side)
                rest = [listing for listing in read_ids(other) if listing not in listings]
                set_params(**{side: _joined(listings), other: _joined(rest)})

            with column, st.container(key=f"labelled-dial-{side}"):
                st.multiselect(
                    label,
                    list(dict.fromkeys([*ids, *picked])),
                    format_func=title,
                    accept_new_options=True,
                    placeholder="Click on cards, or choose here",
                    **hold(f"dial-{side}", read_ids(side), change),
                )


def _make(opened: OpenRun, rules: Rules) -> None:
    available = opened.run.listing_row
    more, less = (tuple(listing for listing in read_ids(side) if listing in available) for side in SIDES)
    if more or less:
        name = " ".join(st.session_state.get("dial-name", "").replace(";", " ").split()) or "like these"
        dial = Dial(name, 1.0, st.session_state["dial-space"], more, less)
        _write([*rules.dial, str(dial)], **dict.fromkeys((MAKING, *SIDES)))


def _write(dials: Sequence[str], **more: None) -> None:
    set_params(dial="; ".join(dials) or None, **more)


def _joined(listings: Sequence[str]) -> str | None:
    return ",".join(quote(listing, safe="") for listing in listings) or None


def _titles(opened: OpenRun, ids: Sequence[str]) -> str:
    rows = [opened.view.market.listing_row[item] for item in ids if item in opened.view.market.listing_row]
    titles = [f"“{shorten(opened.view.title(row), 40)}”" for row in rows[:3]]
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    return (", ".join(titles) + more) or "the average listing"
