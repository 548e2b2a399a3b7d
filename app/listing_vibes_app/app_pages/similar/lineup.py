"""The line-up: attributes of the query and of its neighbors in one table, with what they share marked."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from listing_vibes_app.app_pages.similar.attribute_match import Match, match
from listing_vibes_app.app_pages.similar.listing_picker import choose
from listing_vibes_app.server.photos import cover_url
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import numbered, shorten

LEGEND = (
    "✓ the same · ≈ close: numbers within a tenth, years within 5, places within 2 km, half of a set · no sign: different. "
    "Choose a line to see that listing."
)
SIGNS = {"same": "✓ ", "close": "≈ "}
KEY = "lineup"


def lineup_table(
    opened: OpenRun, query: int, neighbors: Sequence[int], scores: Sequence[str]
) -> pd.DataFrame:
    """One row a listing, the query first: photo, title, score, how many attributes are the same, and each attribute."""
    view = opened.view
    items = [item for item in view.attributes if item.shown_as != "text"]
    matches = [[match(view, item, query, other) for item in items] for other in neighbors]
    rows = [["This listing", "", *(shorten(view.text(query, item), 90) for item in items)]]
    for score, found in zip(scores, matches, strict=True):
        known = sum(one.verdict != "unknown" for one in found)
        same = sum(one.verdict == "same" for one in found)
        rows.append([score, f"{same} of {known}", *map(_cell, found)])
    table = pd.DataFrame(rows, columns=numbered(["Score", "The same", *(item.label for item in items)], " "))
    table.insert(0, "Listing", [view.title(row) for row in (query, *neighbors)])
    if view.has_photos:
        table.insert(0, "Photo", [cover_url(opened.name, view, row) for row in (query, *neighbors)])
    return table


def lineup(opened: OpenRun, query: int, neighbors: Sequence[int], scores: Sequence[str]) -> None:
    """Show the table; choosing a line shows that listing."""
    st.caption(LEGEND)
    ids = [opened.view.ids[row] for row in (query, *neighbors)]

    def chosen() -> None:
        lines = st.session_state[KEY].selection.rows
        if lines:
            choose(ids[lines[0]])

    high = 64 if opened.view.has_photos else 36
    st.dataframe(
        lineup_table(opened, query, neighbors, scores),
        hide_index=True,
        key=KEY,
        on_select=chosen,
        selection_mode="single-row",
        row_height=high,
        height=min(860, 40 + high * len(ids)),
        column_config={
            "Photo": st.column_config.ImageColumn(width="small", pinned=True),
            "Listing": st.column_config.TextColumn(width="medium", pinned=True),
        },
        alt="Attributes of this listing and of its neighbors",
    )


def _cell(found: Match) -> str:
    difference = f" ({found.difference})" if found.difference else ""
    return f"{SIGNS.get(found.verdict, '')}{found.text}{difference}"
