"""What each single change of an entered listing would do to its audience, and which of its photos is the best cover."""

from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes.insight.launch.launch import Launch
from listing_vibes.insight.launch.written import LaunchCall
from listing_vibes_app.app_pages.cold.cold_listings import launched
from listing_vibes_app.app_pages.cold.listing_form import begun_with, change_cells
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.server.params import set_params, whole
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view import formats
from listing_vibes_app.view.formats import plain

TRIED = 8  # attributes told
CAUTION = (
    "Each line changes one attribute and leaves the rest. It tells what goes with what in the model, and not that users would "
    "come because of it; the interval (95 %) is over users."
)


def advised(opened: OpenRun, cells: dict[str, Any], photos: list[bytes]) -> None:
    """Changes and covers, and all of it as code."""
    st.header("Which change gains most", anchor=False)
    with st.spinner("Trying one change at a time …"):
        found = launched(opened, cells, photos, advise=True)
    changes(opened, found)
    covers(opened, found)
    own = begun_with(opened)
    like = None if own is None else opened.view.ids[own]
    as_code(
        opened,
        [
            LaunchCall.of(
                opened.view.market, cells, like, bool(photos), whole("cover", 1, 1, max(len(photos), 1))
            )
        ],
        link=False,
    )


def changes(opened: OpenRun, found: Launch) -> None:
    """The best value of each attribute with what it gains, and a way to take it."""
    if found.changes is None or not len(found.changes):
        st.caption("There is no attribute to change.")
        return
    best = found.changes.drop_duplicates("attribute").head(TRIED).to_dict("records")
    items = {item.name: item for item in opened.view.market.attributes}

    def said(name: str, value: Any) -> str:
        item = items[name]
        if value is None or (isinstance(value, float) and value != value):
            return formats.MISSING
        match item.shown_as:
            case "number":
                return formats.number(float(value), opened.view.unit(item), not opened.view.is_year(item))
            case "flag":
                return "Yes" if value else "No"
            case "multi":
                return ", ".join(map(str, value)) or "None"
        return opened.view.word(item, value)

    table = pd.DataFrame(
        {
            "Attribute": [plain(items[one["attribute"]].label) for one in best],
            "Now": [plain(said(one["attribute"], one["before"])) for one in best],
            "Instead": [plain(said(one["attribute"], one["after"])) for one in best],
            "Audience": [f"{one['audience']:,}" for one in best],
            "Gain": [f"{one['gain']:+,} ({one['low']:+,} to {one['high']:+,})" for one in best],
        }
    )
    st.table(
        table, hide_index=True, border="horizontal", alt="The best value of each attribute and what it gains"
    )
    st.caption(CAUTION)
    st.session_state["try-change"] = None

    def take() -> None:
        place = st.session_state["try-change"]
        if place is not None:
            change_cells(opened, **{best[place]["attribute"]: best[place]["after"]})

    st.pills(
        "Take one into the draft",
        range(len(best)),
        format_func=lambda place: plain(
            f"{items[best[place]['attribute']].label}: {said(best[place]['attribute'], best[place]['after'])}"
        ),
        key="try-change",
        on_change=take,
    )


def covers(opened: OpenRun, found: Launch) -> None:
    """Each photo as the cover."""
    if found.covers is None:
        return
    st.header("The best cover", anchor=False)
    now = whole("cover", 1, 1, len(found.covers))
    # The draft has its cover first; photos are named by their place among those of the form.
    order = [now, *(place for place in range(1, len(found.covers) + 1) if place != now)]
    table = found.covers.assign(photo=[order[place] for place in found.covers["photo"]]).sort_values(
        ["audience", "photo"], ascending=[False, True]
    )
    best = table.iloc[0]
    st.table(
        pd.DataFrame(
            {
                "Cover": [f"Photo {photo}" + (", now" if photo == now else "") for photo in table["photo"]],
                "Audience": [f"{audience:,}" for audience in table["audience"]],
                "Gain": [
                    "" if one.photo == now else f"{one.gain:+,} ({one.low:+,} to {one.high:+,})"
                    for one in table.itertuples()
                ],
            }
        ),
        hide_index=True,
        border="horizontal",
        width="content",
        alt="The audience with each photo as the cover",
    )
    if int(best["photo"]) != now and best["low"] > 0:
        st.button(
            f"Take photo {int(best['photo'])} as the cover",
            icon=":material/photo:",
            on_click=lambda: set_params(cover=int(best["photo"])),
            key="take-cover",
        )
    else:
        st.caption("No other photo surely reaches more.")
