"""A region of the map: its listings as photos, how they differ from the rest, and files of exactly these."""

import io

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.map.cluster_names import Portrait, apart
from listing_vibes.market.market import Attribute
from listing_vibes.market.spreadsheet import spreadsheet_csv
from listing_vibes_app.app_pages.map.days import Today
from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.days import NAME as DAY
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.gallery import gallery
from listing_vibes_app.kit.map_points import SpaceMap, export_frame
from listing_vibes_app.kit.pagination import page_of
from listing_vibes_app.server.params import set_params
from listing_vibes_app.view import formats
from listing_vibes_app.view.market import MarketView

PAGE = 24
LISTED = 1000  # lines of the table on the screen; the files have all
LIFT_HELP = "How many times as often as elsewhere on the map"


def region(one: SpaceMap, chosen: np.ndarray, name: str | None, today: Today | None = None) -> None:
    """The listings where `chosen` (n,) bool holds; `name` is that of the group, if it is one.

    Args:
        today: the day that the map shows; None: all listings, whenever they were live.
    """
    view = one.opened.view
    st.header(formats.plain(name) if name else "The region", anchor=False)
    all_chosen = chosen
    if today is not None:
        one, chosen = one.among(today.live), chosen[today.live]
    size = int(chosen.sum())
    if not size and today is not None and all_chosen.any():
        empty(
            f"None of these was live on {today.said}",
            f"Over all days there are {formats.count(int(all_chosen.sum()), 'listing')} here.",
            action="All days",
            on_click=lambda: set_params(**{DAY: None}),
            key="all-days",
        )
        return
    if not size:
        empty(
            "No listing lies in this region",
            "The line was drawn around an empty place. Draw around some points.",
            action="Forget the region",
            on_click=forget,
            key="forget-empty",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        share = size / len(one.rows)
        of = "of the map" if today is None else f"of those live on {today.said}"
        of_all = "" if today is None else f"; {int(all_chosen.sum()):,} over all days"
        st.markdown(f"**{formats.count(size, 'listing')}**, {100 * share:.1f}% {of}{of_all}")
        _downloads(one, chosen)
        st.button("Show all listings", icon=":material/close:", on_click=forget, key="forget")
    left, right = st.columns([3, 2], gap="large")
    with left:
        _photos(one, chosen)
    with right:
        st.subheader("Against the rest", anchor=False)
        if size == len(one.rows):
            st.markdown("All listings are in this region, so there is no rest.")
        else:
            _figures(view, one.rows, chosen)
            portrait = apart(view.market, one.rows, chosen, coded=one.coded)
            traits_table(portrait)
    with st.expander("The listings as a table"):
        rows = one.rows[chosen][:LISTED]
        if size > LISTED:
            st.caption(f"The first {LISTED:,} of {size:,}; the files hold all.")
        st.dataframe(table_of(view, rows), hide_index=True, height=400, alt="Listings of the region")


def forget() -> None:
    """Back to the whole map."""
    set_params(region=None, group=None, page=None)


def table_of(view: MarketView, rows: np.ndarray) -> pd.DataFrame:
    """Title and attributes of the listings `rows` as people read them; labels that are there twice are numbered."""
    columns = [[view.title(int(row)) for row in rows]]
    for item in view.attributes:
        columns.append([formats.shorten(view.text(int(row), item), 60) for row in rows])
    labels = formats.numbered(["Listing", *(item.label for item in view.attributes)], " ")
    return pd.DataFrame(dict(zip(labels, columns, strict=True)))


def _downloads(one: SpaceMap, chosen: np.ndarray) -> None:
    name = f"{one.opened.name}-{one.space}-region"

    def csv() -> bytes:
        return spreadsheet_csv(export_frame(one, chosen))

    def parquet() -> bytes:
        stream = io.BytesIO()
        export_frame(one, chosen).to_parquet(stream, index=False)
        return stream.getvalue()

    st.download_button(
        "CSV", csv, f"{name}.csv", "text/csv", icon=":material/download:", on_click="ignore", key="csv"
    )
    st.download_button(
        "Parquet", parquet, f"{name}.parquet", icon=":material/download:", on_click="ignore", key="parquet"
    )


def _photos(one: SpaceMap, chosen: np.ndarray) -> None:
    opened, rows = one.opened, one.rows[chosen]
    shown = page_of(rows, PAGE)
    space = None if one.space == opened.run.spaces[0] else one.space
    gallery(
        [listing_card(opened, int(row), params={"space": space}) for row in shown],
        key="region-photos",
        box=opened.box,
        label="Listings of the region",
        photos=opened.view.has_photos,
        least=150,
    )


def summary(view: MarketView, item: Attribute, rows: np.ndarray) -> str:
    """What is usual of an attribute among the listings `rows`: the median, the most frequent value, or a share."""
    values = view.market.listings[item.name].iloc[rows].dropna()
    if not len(values):
        return formats.MISSING
    match item.shown_as:
        case "number":
            return formats.number(float(values.median()), view.unit(item), not view.is_year(item))
        case "flag":
            return f"{100 * values.astype(bool).mean():.0f}%"
        case "multi":
            return formats.number(float(values.map(len).median()))
    often = values.astype(str).value_counts()
    return (
        f"{formats.shorten(view.word(item, often.index[0]), 30)} ({100 * often.iloc[0] / len(values):.0f}%)"
    )


def against(view: MarketView, rows: np.ndarray, chosen: np.ndarray) -> pd.DataFrame:
    """One line an attribute: what is usual here, and elsewhere on the map."""
    lines = []
    told = {"number": "median", "flag": "share", "multi": "median number", "category": "most frequent"}
    for item in view.attributes:
        if item.shown_as in told:
            line = (
                f"{item.label}, {told[item.shown_as]}",
                *(summary(view, item, part) for part in (rows[chosen], rows[~chosen])),
            )
            lines.append(line)
    return pd.DataFrame(lines, columns=["Attribute", "Here", "Elsewhere"])


def _figures(view: MarketView, rows: np.ndarray, chosen: np.ndarray) -> None:
    table = against(view, rows, chosen)
    if len(table):
        st.table(
            table.map(formats.plain),
            hide_index=True,
            border="horizontal",
            alt="Attributes of the region and of all other listings",
        )


def traits_table(portrait: Portrait, most: int = 8) -> None:
    """What sets a group of listings apart: how often here, how often elsewhere."""
    if not portrait.traits and not portrait.words:
        st.markdown("Nothing in the attributes or texts sets these listings apart.")
        return
    if portrait.traits:
        st.markdown("**What sets it apart**", help=LIFT_HELP)
        lines = [
            (
                formats.plain(f"{trait.label}: {trait.text}"),
                f"{100 * trait.inside:.0f}%",
                f"{100 * trait.outside:.0f}%",
                f"{trait.lift:.1f}×" if trait.lift < 100 else "only here",
            )
            for trait in portrait.traits[:most]
        ]
        table = pd.DataFrame(lines, columns=["Trait", "Here", "Elsewhere", "Lift"])
        st.table(
            table, hide_index=True, border="horizontal", alt="Traits with their shares here and elsewhere"
        )
    if portrait.words:
        st.markdown(
            f"**Words**: {formats.plain(', '.join(portrait.words))}",
            help="Words of the texts that are more frequent here than elsewhere",
        )
