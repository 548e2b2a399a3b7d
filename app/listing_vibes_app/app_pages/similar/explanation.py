"""The explanation of a similarity: its change without an attribute or a photo, and a comparison of the photos."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.insight.explain import Explanation, explain_similarity
from listing_vibes.insight.occlusion import compare_photos
from listing_vibes.market.thumbnails import data_address, preview
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.gallery import Card, gallery, listing_card
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import link, set_params
from listing_vibes_app.server.photos import photo_url
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import count, plain

MEANING = (
    "How much lower the similarity gets when both listings are encoded without that attribute. A bar to the right: the "
    "attribute makes them alike; to the left: it makes them differ."
)
SIDES = ("This listing", "The neighbor")


def why_dialog(opened: OpenRun, row: int, space: str) -> None:
    """Open the explanation that the URL names, if any."""
    number = link().read("why", opened.view.market.listing_row.get)
    if number is None or number == row:
        return
    _open("Why are these two alike?", lambda: _show(opened, (row, number), space))


def why_photo_dialog(opened: OpenRun, photo: bytes, scores: dict[str, float]) -> None:
    """Open the explanation of the listing that the URL names, found by an uploaded photo, if any; `scores` are by listing."""
    listing = st.query_params.get("why", "")
    if listing not in scores:
        return

    _open("Why is this one here?", lambda: _show_photo_match(opened, photo, listing, scores[listing]))


def _open(title: str, draw: Callable[[], None]) -> None:
    """Open a dialog, which closing removes from the URL."""

    @st.dialog(title, width="large", on_dismiss=lambda: set_params(why=None))
    def show() -> None:
        with boundary():
            draw()

    show()


def _show_photo_match(opened: OpenRun, photo: bytes, listing: str, score: float) -> None:
    view, row = opened.view, opened.view.market.listing_row[listing]
    with st.spinner("Comparing the photos …"):
        alike, (_, positions) = _compare_photos(opened, (photo, listing))
    st.markdown(
        f"**Similarity by photos: {score:.3f}**, of the photo with the mean of all photos of the listing."
    )
    cards = [Card(photo=data_address(preview(photo)), alt="The photo to compare with", step="The photo")]
    for place in np.argsort(-alike[0], kind="stable") if alike.size else []:
        number = int(positions[place])
        url = photo_url(opened.name, view, row, number)
        alt = f"Photo {number + 1} of {view.title(row)}"
        cards.append(Card(photo=url, alt=alt, step=view.title(row), score=f"Alike {alike[0, place]:.2f}"))
    gallery(opened, cards, key="why-photo", label="The photo, and those of the listing, the most alike first")


@st.cache_data(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def _explain(opened: OpenRun, listings: tuple[str, str], space: str) -> Explanation:
    return explain_similarity(opened.run, *listings, space)


@st.cache_data(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def _compare_photos(
    opened: OpenRun, listings: tuple[str | bytes, str]
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    try:
        return compare_photos(opened.run, *listings)
    except VibesError:  # the photo encoder is missing
        return np.zeros((0, 0), np.float32), (np.arange(0), np.arange(0))


def _show(opened: OpenRun, rows: tuple[int, int], space: str) -> None:
    view = opened.view
    with st.spinner("Encoding the two without each part …"):
        result = _explain(opened, (view.ids[rows[0]], view.ids[rows[1]]), space)
    st.markdown(f"**Similarity by {label_of(space).lower()}: {result.score:.3f}**")
    if result.note:
        st.caption(plain(result.note))
    cards = [listing_card(opened, row, facts=[], step=side) for row, side in zip(rows, SIDES, strict=True)]
    gallery(opened, cards, key="why-two", label="The two listings", least=230)
    _show_attributes(opened, rows, result)
    _show_photos(opened, rows, result)
    alike, positions = _compare_photos(opened, (view.ids[rows[0]], view.ids[rows[1]]))
    if alike.size:
        help = "How alike two photos look: 1 is the same (cosine)"
        st.subheader("Photo against photo", anchor=False, help=help)
        st.dataframe(
            photo_pairs(opened, rows, alike, positions),
            hide_index=True,
            row_height=96,
            column_config={side: st.column_config.ImageColumn(width="medium") for side in SIDES},
            alt="Photos of this listing, each with the nearest photo of the neighbor",
        )


def photo_pairs(
    opened: OpenRun, rows: tuple[int, int], alike: np.ndarray, photos: tuple[np.ndarray, ...]
) -> pd.DataFrame:
    """Return a row for each photo of a listing: the nearest photo of another listing and their cosine, the highest first.

    Args:
        rows: the two listings.
        alike: (m, n) cosine of their photos.
        photos: (m,) and (n,) positions of those photos in their listings.
    """
    order = np.argsort(-alike.max(axis=1), kind="stable")  # (m,)
    positions = photos[0][order], photos[1][alike.argmax(axis=1)[order]]
    urls = [
        [photo_url(opened.name, opened.view, row, int(position)) for position in side]
        for row, side in zip(rows, positions, strict=True)
    ]
    return pd.DataFrame({**dict(zip(SIDES, urls, strict=True)), "Alike": alike.max(axis=1)[order].round(2)})


def _show_attributes(opened: OpenRun, rows: tuple[int, int], result: Explanation) -> None:
    view = opened.view
    available = {item.name: item for item in view.market.attributes}
    parts = [part for part in result.attributes or [] if part["name"] in available]
    if not parts:
        return
    items, title = [available[part["name"]] for part in parts], view.market.title
    values = [
        [view.title(row) if item.name == title else view.text(row, item) for item in items] for row in rows
    ]
    table = pd.DataFrame(
        {
            "Attribute": [item.label for item in items],
            **{side: [text[:120] for text in texts] for side, texts in zip(SIDES, values, strict=True)},
            "Similarity without it": [f"{result.score - part['adds']:.3f}" for part in parts],
            "Change": [signed(-part["adds"]) for part in parts],
        }
    )
    st.subheader("Without one attribute", anchor=False)
    st.caption(MEANING)
    adds = [part["adds"] for part in parts]
    figure = go.Figure(go.Bar(x=adds, y=list(range(len(adds))), orientation="h", hoverinfo="x"))
    figure.update_traces(marker_color=[charts.SERIES[0 if value > 0 else 1] for value in adds])
    charts.row_axis(figure, table["Attribute"].tolist())
    charts.axis_title(figure, "Adds to the similarity")
    figure.update_xaxes(tickformat="+.3~f", nticks=5, zeroline=True)
    charts.show_chart(
        figure,
        key="without-attribute",
        alt="What each attribute adds to the similarity of the two listings",
        height=charts.rows_height(len(table)),
    )
    charts.show_figures(table, "Similarity without each attribute")


def _show_photos(opened: OpenRun, rows: tuple[int, int], result: Explanation) -> None:
    if not result.photos:
        return
    help = "The similarity when a listing is encoded without that photo, and how far that is from what it is with it"
    st.subheader("Without one photo", anchor=False, help=help)
    cards = []
    for part in result.photos:
        side = [opened.view.ids[row] for row in rows].index(part["listing_id"])
        photo, row, adds = part["photo"], rows[side], part["adds"]
        cards.append(
            Card(
                photo=photo_url(opened.name, opened.view, row, photo),
                alt=f"Photo {photo + 1} of {opened.view.title(row)}",
                step=SIDES[side],
                score=f"Without it {result.score - adds:.3f} ({signed(-adds)})",
            )
        )
    label = f"{count(len(cards), 'photo')} left out one by one"
    gallery(opened, cards, key="why-photos", label=label, layout="strip", least=170)


def signed(value: float) -> str:
    """Format a change as `+0.031` or `−0.120`."""
    return f"{'−' if value < 0 else '+'}{abs(value):.3f}"
