"""Choosing a listing by what a photo of it shows, described in words."""

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.selection.pages import search
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.cards import album, listing_card
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.gallery import Card, gallery
from listing_vibes_app.kit.pagination import page_of
from listing_vibes_app.server.photo_search import look_search, prepare
from listing_vibes_app.server.photos import photo_url
from listing_vibes_app.server.runs import OpenRun, known_rows
from listing_vibes_app.view.formats import plain

EXAMPLES = "canopy bed", "white refrigerator", "bathtub"
LIMITS = (
    "Approximate: photos are compared with the thousand things that ImageNet knows, so “canopy bed” is found and "
    "“swimming pool” is not."
)


def by_look(opened: OpenRun, text: str, passes: np.ndarray, size: int) -> None:
    """The listings that pass the filters, `passes` (L,) bool, by the photo that comes nearest to `text`."""
    if not opened.view.has_photos:
        empty("This market has no photos", "A look can be searched in photos only. Search by words instead.")
        return
    photos = look_search(opened)
    if photos is None:
        _first(opened)
        return
    if not text:
        st.caption(f"{LIMITS} Try “{'”, “'.join(EXAMPLES)}”.")
        return
    with st.spinner("Searching …"):
        found = photos.find(text)
    rows = [(place, row) for place, row in known_rows(opened, found["listing_id"]) if passes[row]]
    if not rows:
        empty("No photo passes the filters", "Take a filter away, or describe something else.")
        return
    line = f"Photos that come nearest to “{plain(text)}”. {LIMITS}"
    shown = page_of(np.arange(len(rows)), size, line)
    gallery(
        [_card(opened, rows[place][1], found.iloc[rows[place][0]]) for place in shown],
        key="covers",
        box=opened.box,
        label="Listings by their nearest photo",
        score_help="Cosine similarity of the description and what the photo was taken for",
    )
    as_code(opened, [search(opened.run, st.query_params.to_dict())])


def _card(opened: OpenRun, row: int, found: pd.Series) -> Card:
    photo = int(found["photo"])
    return listing_card(
        opened,
        row,
        photo=photo_url(opened.name, opened.view, row, photo),
        alt=f"Photo {photo + 1} of {opened.view.title(row)}",
        photos=album(opened, row),
        start=photo,
        score=f"Taken for: {found['seen']} · {found['score']:.2f}",
    )


def _first(opened: OpenRun) -> None:
    photos = len(opened.view.market.photos)
    place = st.empty()
    with place.container(border=True):
        st.markdown("**:material/visibility: These photos were not looked at yet**")
        st.markdown(
            f"To search them by a description, each of the {photos:,} photos is looked at once. "
            "It can be broken off and goes on where it was; the result is kept with the run."
        )
        go = st.button("Look at the photos", key="look")
    if go:
        with place.container(border=True):
            bar = st.progress(0.0, "Starting")

            def tell(share: float, line: str) -> None:
                bar.progress(min(1.0, share), line)

            prepare(opened, tell)
        st.rerun()
