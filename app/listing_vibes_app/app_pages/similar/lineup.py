"""The line-up: attributes of the query and of its neighbours in one table, with what they share marked."""

from dataclasses import asdict
from typing import Any

import streamlit as st

from listing_vibes_app.app_pages.similar.attribute_match import match
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.examples import example_marks
from listing_vibes_app.kit.gallery import Card
from listing_vibes_app.view.formats import shorten
from listing_vibes_app.view.market import MarketView

LEGEND = "**✓** the same · **≈** close: numbers within a tenth, years within 5, places within 2 km, half of a set · no sign: different"
_component = component(__file__, '<div class="lineup" tabindex="0" role="region"></div>')


def lineup_rows(view: MarketView, query: int, neighbours: list[int]) -> list[dict[str, Any]]:
    """One row for each comparable attribute, and a first one that counts what each neighbour shares."""
    attributes = [item for item in view.attributes if item.shown_as != "text"]
    rows: list[dict[str, Any]] = []
    for item in attributes:
        cells = [asdict(match(view, item, query, row)) for row in neighbours]
        rows.append({"label": item.label, "query": shorten(view.text(query, item), 90), "cells": cells})
    totals = []
    for column in range(len(neighbours)):
        verdicts = [row["cells"][column]["verdict"] for row in rows]
        known = sum(verdict != "unknown" for verdict in verdicts)
        totals.append(
            {"verdict": "unknown", "text": f"{verdicts.count('same')} of {known}", "difference": ""}
        )
    return [{"label": "The same", "query": "", "cells": totals}, *rows]


def lineup(
    view: MarketView,
    query: tuple[int, Card],
    neighbours: list[tuple[int, Card]],
    *,
    key: str,
    box: str,
) -> None:
    """Show the table; the photo and title of a neighbour are a link.

    Args:
        query: row and card of the listing that is compared.
        neighbours: rows and cards of the others, the most alike first.
    """
    st.caption(LEGEND)
    data = {
        "query": asdict(query[1]) | {"href": ""},
        "others": [asdict(card) for _, card in neighbours],
        "rows": lineup_rows(view, query[0], [row for row, _ in neighbours]),
        "photos": view.has_photos,
        "box": box,
        "label": "Attributes of this listing and of its neighbours",
    }
    marks, callback = example_marks(key)
    _component(key=key, data={**data, "examples": marks}, **callback)
