"""Why two listings are alike: what changes when an attribute or a photo is left out, and photo against photo."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.insight.explain.listing_photos import compare_photos
from listing_vibes.insight.explain.similarity import SimilarityExplanation, explain_similarity
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.gallery import Card, gallery
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import in_vain, set_params
from listing_vibes_app.server.photos import photo_url
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import count, plain

MEANING = (
    "How much lower the similarity gets when both listings are encoded without that attribute. A bar to the right: the "
    "attribute makes them alike; to the left: it keeps them apart."
)


def why_dialog(opened: OpenRun, row: int, space: str) -> None:
    """Open the explanation that the URL asks for, if it asks for one."""
    other = st.query_params.get("why")
    number = opened.view.market.listing_row.get(other) if other else None
    if other and number is None:
        in_vain(f"The link asks why “{other}” is here, which is no listing of this market.")
    if number is None or number == row:
        return

    @st.dialog("Why are these two alike?", width="large", on_dismiss=lambda: set_params(why=None))
    def shown() -> None:
        with boundary():
            _explained(opened, (row, number), space)

    shown()


@st.cache_data(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def _why(opened: OpenRun, listings: tuple[str, str], space: str) -> SimilarityExplanation:
    return explain_similarity(opened.run, *listings, space)


@st.cache_data(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def _photo_pairs(
    opened: OpenRun, listings: tuple[str, str]
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    try:
        return compare_photos(opened.run, *listings)
    except VibesError:  # the photo encoder is not at hand
        return np.zeros((0, 0), np.float32), (np.arange(0), np.arange(0))


def _explained(opened: OpenRun, rows: tuple[int, int], space: str) -> None:
    view = opened.view
    with st.spinner("Encoding the two without each part …"):
        found = _why(opened, (view.ids[rows[0]], view.ids[rows[1]]), space)
    st.markdown(f"**Similarity by {label_of(space).lower()}: {found.similarity:.3f}**")
    if found.note:
        st.caption(plain(found.note))
    cards = [listing_card(opened, row, facts=[], step=step) for row, step in zip(rows, STEPS, strict=True)]
    gallery(cards, key="why-two", box=opened.box, label="The two listings", photos=view.has_photos, least=230)
    _attributes(opened, rows, found.left_out[found.left_out["kind"] == "attribute"])
    _photos(opened, rows, found.left_out[found.left_out["kind"] == "photo"])
    alike, positions = _photo_pairs(opened, found.listings)
    if alike.size:
        st.subheader(
            "Photo against photo", anchor=False, help="How alike two photos look: 1 is the same (cosine)"
        )
        st.dataframe(
            photo_pairs(opened, rows, alike, positions),
            hide_index=True,
            row_height=96,
            column_config={name: st.column_config.ImageColumn(width="medium") for name in STEPS},
            alt="Photos of this listing, each beside the nearest photo of the neighbor",
        )


STEPS = ("This listing", "The neighbour")


def photo_pairs(
    opened: OpenRun, rows: tuple[int, int], alike: np.ndarray, photos: tuple[np.ndarray, ...]
) -> pd.DataFrame:
    """Return a row for each photo of a listing: the nearest photo of another and their cosine, the most alike first.

    Args:
        rows: the two listings.
        alike: (m, n) cosine of their photos.
        photos: (m,) and (n,) positions of those photos in their listings.
    """
    order = np.argsort(-alike.max(axis=1), kind="stable")  # (m,)
    positions = photos[0][order], photos[1][alike.argmax(axis=1)[order]]
    addresses = [
        [photo_url(opened.name, opened.view, row, int(position)) for position in side]
        for row, side in zip(rows, positions, strict=True)
    ]
    return pd.DataFrame(
        {**dict(zip(STEPS, addresses, strict=True)), "Alike": alike.max(axis=1)[order].round(2)}
    )


def _attributes(opened: OpenRun, rows: tuple[int, int], left_out: pd.DataFrame) -> None:
    if left_out.empty:
        return
    known = {item.name: item for item in opened.view.market.attributes}
    items = [known[name] for name in left_out["name"] if name in known]
    title = opened.view.market.title
    values = [
        [opened.view.title(row) if item.name == title else opened.view.text(row, item) for item in items]
        for row in rows
    ]
    table = pd.DataFrame(
        {
            "Attribute": [item.label for item in items],
            "This listing": values[0],
            "The neighbour": values[1],
            "adds": -left_out["change"].to_numpy(),
            "without": left_out["without"].to_numpy(),
        }
    )
    st.subheader("Without one attribute", anchor=False)
    st.caption(MEANING)
    charts.show_chart(
        _chart(table),
        key="without-attribute",
        alt="What each attribute adds to the similarity of the two listings",
        height=charts.rows_height(len(table)),
    )
    with st.expander("The figures behind it"):
        shown = table.drop(columns=["adds", "without"]).map(lambda cell: cell[:120])
        shown["Similarity without it"] = [f"{value:.3f}" for value in table["without"]]
        shown["Change"] = [signed(-value) for value in table["adds"]]
        charts.show_table(shown, alt="Similarity without each attribute")


def _chart(table: pd.DataFrame) -> go.Figure:
    """A bar for each attribute."""
    series = charts.SERIES
    figure = go.Figure()
    figure.add_bar(
        x=table["adds"].tolist(),
        y=list(range(len(table))),
        orientation="h",
        marker={"color": [series[0] if value > 0 else series[1] for value in table["adds"]]},
        text=[
            f"<b>{charts.escaped(name)}</b><br>{charts.label(mine, 40)}<br>against {charts.label(theirs, 40)}<br>"
            f"{signed(value)}: {'makes them alike' if value > 0 else 'keeps them apart'}"
            for name, mine, theirs, value in table[
                ["Attribute", "This listing", "The neighbour", "adds"]
            ].itertuples(index=False)
        ],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    charts.row_axis(figure, table["Attribute"].tolist())
    charts.axis_title(figure, "Adds to the similarity")
    figure.update_xaxes(tickformat="+.2~f", nticks=6, zeroline=True)
    figure.update_layout(bargap=0.35)
    return figure


def _photos(opened: OpenRun, rows: tuple[int, int], left_out: pd.DataFrame) -> None:
    shown = left_out[left_out["photo"] >= 0]
    if shown.empty:
        return
    st.subheader(
        "Without one photo",
        anchor=False,
        help="The similarity when a listing is encoded without that photo, and how far that is from what it is with it",
    )
    cards = []
    for line in shown.itertuples():
        photo, row = int(line.photo), rows[int(line.side)]
        cards.append(
            Card(
                photo=photo_url(opened.name, opened.view, row, photo),
                alt=f"Photo {photo + 1} of {opened.view.title(row)}",
                step=STEPS[int(line.side)],
                score=f"Without it {line.without:.3f} ({signed(line.change)})",
            )
        )
    gallery(
        cards,
        key="why-photos",
        box=opened.box,
        label=f"{count(len(cards), 'photo')} left out one by one",
        layout="strip",
        least=170,
    )


def signed(value: float) -> str:
    """`+0.031`, `−0.120`."""
    return f"{'−' if value < 0 else '+'}{abs(value):.3f}"
