"""Photos of listings as one picture, for a slide."""

from collections.abc import Callable

import streamlit as st

from listing_vibes.insight.sheet import MOST, photo_sheet
from listing_vibes_app.server.runs import OpenRun


def sheet_button(
    opened: OpenRun,
    listed: Callable[[], tuple[list[str], list[str]]],
    file: str,
    name: str,
    key: str,
    title: str = "",
) -> None:
    """A button for a PNG of listings.

    Args:
        listed: ids of listings and a line below each, or no lines; asked once the button is pressed.
        file: name of the file without its ending.
        name: what it is of, in the words of the button.
        title: above the photos.
    """

    def picture() -> bytes:
        listings, lines = listed()
        return photo_sheet(opened.run, listings[:MOST], lines[:MOST], title)

    st.download_button(
        f"{name} as PNG",
        picture,
        f"{file}.png",
        "image/png",
        icon=":material/image:",
        on_click="ignore",
        key=key,
        help=f"Photos and titles as one picture, the first {MOST} at most",
    )
