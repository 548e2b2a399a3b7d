"""Popular and recent listings, where there is no history to go by."""

import streamlit as st

from listing_vibes.run.rules import Rules
from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.gallery import gallery
from listing_vibes_app.server.runs import OpenRun, known_rows

FALLBACK = "There is no history to go by, so these are popular and recent listings."
SHOWN = 12


def popular_rows(opened: OpenRun, rules: Rules | None = None, k: int = SHOWN) -> list[int]:
    """Rows of the market of what an empty history is recommended."""
    found = opened.run.recommend([], k=k, rules=rules)
    return [row for _, row in known_rows(opened, found["listing_id"])]


def popular(opened: OpenRun) -> None:
    """Show them under a sentence that says what they are."""
    st.header("Recommended", anchor=False)
    st.caption(FALLBACK)
    gallery(
        [listing_card(opened, row) for row in popular_rows(opened)],
        key="popular",
        box=opened.box,
        label="Popular and recent listings",
        photos=opened.view.has_photos,
    )
