"""Vibe dials: "more like these, less like those", chosen on cards and named, and a slider that moves the list along it."""

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from listing_vibes.errors import VibesError
from listing_vibes.run.rules import Rules
from listing_vibes.run.score_moves import Dial, read_dial
from listing_vibes_app.kit.examples import PARAMS, SIDES, begin_dial, examples, is_making, take_field
from listing_vibes_app.kit.spaces import in_order, label_of, meaning_of
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import plain, shorten

FAR, STEP = 3.0, 0.25  # of a slider
BEGUN = 1.0  # where a new one stands
HELP = (
    "How far the list moves along “{}”, in standard deviations of its scores for a listing that lies one standard deviation along. "
    "More like {}; less like {}. 0 leaves the list as it is."
)


def dial_button() -> None:
    """The button that begins a dial: from then on cards of lists are its examples by a click; another click ends that."""
    now = is_making()
    with st.container(key="dial-place", width=160):
        st.button(
            "No new dial" if now else "Vibe dial",
            icon=":material/close:" if now else ":material/tune:",
            key="open-dial",
            on_click=begin_dial,
            args=(not now,),
            width="stretch",
        )


def dial_sliders(opened: OpenRun, rules: Rules) -> DeltaGenerator:
    """A slider for each dial of the address, with a way to take it away; room for `new_dial` beneath."""
    for number, text in enumerate(rules.dial):
        try:
            dial = read_dial(text)
        except VibesError:
            continue  # the list says what is wrong with it
        with st.container(horizontal=True, vertical_alignment="bottom", key=f"labelled-dial-{number}"):
            key, weight = f"dial-{number}", max(-FAR, min(FAR, dial.weight))
            if (
                st.session_state.get(key) != weight
            ):  # set again, it would go back to where it was some key presses ago
                st.session_state[key] = weight
            st.slider(
                plain(dial.name[:1].upper() + dial.name[1:]),
                -FAR,
                FAR,
                step=STEP,
                key=key,
                on_change=_moved,
                args=(list(rules.dial), number, dial, key),
                help=plain(HELP.format(dial.name, _told(opened, dial.more), _told(opened, dial.less))),
                width=420,
            )
            st.button(
                plain(f"Without {dial.name}"),
                icon=":material/close:",
                key=f"no-dial-{number}",
                on_click=_write,
                args=([one for place, one in enumerate(rules.dial) if place != number],),
            )
    return st.container()


def new_dial(opened: OpenRun, place: DeltaGenerator, rows: Sequence[int], rules: Rules) -> None:
    """What a dial that is being made has: a name, a space, and its examples, which are clicked on cards, chosen among the
    listings of this list (rows of the market) or typed as ids."""
    if not is_making():
        return
    ids = [opened.view.ids[row] for row in rows]
    names = {
        one: f"{number}. {shorten(opened.view.title(row), 50)}"
        for number, (one, row) in enumerate(zip(ids, rows, strict=True), start=1)
    }
    picked = [one for side in SIDES for one in examples(side)]
    offered = in_order(opened.run.spaces)
    if st.session_state.get("dial-space") not in offered:
        st.session_state.pop("dial-space", None)
    with place, st.container(border=True, key="new-dial"):
        st.markdown(
            "Examples make a direction, and a slider moves the list along it. On the cards of this page, "
            "**More** makes a listing an example to go towards, **Less** one to go away from."
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
                offered,
                # Not told by the session, whose word is lost with a drawing that a click breaks off.
                default=offered[0],
                key="dial-space",
                format_func=label_of,
                required=True,
                help=" · ".join(f"**{label_of(name)}**: {meaning_of(name)}" for name in offered),
            )
            st.button(
                "Make the dial",
                key="make-dial",
                disabled=not picked,
                on_click=_make,
                args=(opened, list(rules.dial)),
            )
        for (side, label), column in zip(SIDES.items(), st.columns(2), strict=True):
            key = f"dial-{side}"
            st.session_state[key] = examples(side)
            with column, st.container(key=f"labelled-dial-{side}"):
                st.multiselect(
                    label,
                    list(dict.fromkeys([*ids, *picked])),
                    key=key,
                    format_func=lambda one: names.get(one) or _named(opened, one),
                    accept_new_options=True,
                    placeholder="Click on cards, or choose here",
                    on_change=take_field,
                    args=(side,),
                )


def _named(opened: OpenRun, listing: str) -> str:
    row = opened.view.market.listing_row.get(listing)
    return listing if row is None else shorten(opened.view.title(row), 50)


def _make(opened: OpenRun, dials: list[str]) -> None:
    known = opened.run.listing_row
    more, less = (tuple(one for one in examples(side) if one in known) for side in SIDES)
    if not more and not less:
        return
    name = " ".join(st.session_state.get("dial-name", "").replace(";", " ").split()) or "like these"
    _write(
        [*dials, str(Dial(name, BEGUN, st.session_state["dial-space"], more, less))], **dict.fromkeys(PARAMS)
    )


def _moved(dials: list[str], number: int, dial: Dial, key: str) -> None:
    weight = float(st.session_state[key])
    dials[number] = str(Dial(dial.name, weight, dial.space, dial.more, dial.less))
    _write(dials)


def _write(dials: list[str], **more: None) -> None:
    set_params(dial="; ".join(dials) or None, **more)


def _told(opened: OpenRun, ids: Sequence[str]) -> str:
    """Listings by their titles."""
    rows = [opened.view.market.listing_row[one] for one in ids if one in opened.view.market.listing_row]
    titles = [f"“{shorten(opened.view.title(row), 40)}”" for row in rows[:3]]
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    return (", ".join(titles) + more) or "what is usual"
