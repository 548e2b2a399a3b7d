"""A region of the map (its photos, how it differs from the rest, downloads), and all groups."""

import io

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.map.cluster_names import Portrait, apart
from listing_vibes.market.io import spreadsheet_csv
from listing_vibes.market.market import Attribute
from listing_vibes_app.kit.as_code import download
from listing_vibes_app.kit.controls import button, page_of
from listing_vibes_app.kit.days import market_days
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.gallery import Card, Layout, gallery, listing_card
from listing_vibes_app.kit.map_points import SpaceMap, export_frame
from listing_vibes_app.server.params import read_number, set_params
from listing_vibes_app.view import formats
from listing_vibes_app.view.formats import count, plain
from listing_vibes_app.view.market import MarketView

PAGE = 24
TRAITS = 8
GROUPS, MORE = 6, 12  # groups shown, and shown more at a click
TYPICAL = 8  # listings of a group
SUMMARIES = {"number": "median", "flag": "share", "multi": "median number", "category": "most frequent"}
LIFT_HELP = "How many times as often as elsewhere on the map"


def show_all() -> None:
    """Clear the selection on the map."""
    set_params(region=None, group=None, page=None)


def show_region(drawn: SpaceMap, chosen: np.ndarray, name: str | None) -> None:
    """Show the `chosen` (n,) bool listings; `name` is the name of the group, if they are one."""
    view, size, rows = drawn.opened.view, int(chosen.sum()), drawn.rows[chosen]
    st.header(plain(name) if name else "The region", anchor=False)
    if not size:
        why = "The line is around an empty part of the map. Draw around some points."
        empty("No listing lies in this region", why, "Show all listings", show_all)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        days = " over all days" if market_days(drawn.opened) is not None else ""
        st.markdown(f"**{count(size, 'listing')}**{days}, {100 * size / len(chosen):.1f}% of the map")
        _downloads(drawn, chosen)
        button("Show all listings", "close", show_all, key="forget")
    left, right = st.columns([3, 2], gap="large")
    with left:
        shown = page_of(rows, PAGE, "").tolist()
        cards = [listing_card(drawn.opened, row, {"space": drawn.space}) for row in shown]
        gallery(drawn.opened, cards, key="region-photos", label="Listings of the region", least=150)
    with right:
        st.subheader("Against the rest", anchor=False)
        if size == len(chosen):
            st.markdown("All listings are in this region, so there is nothing to compare with.")
        else:
            alt = "Attributes of the region and of all other listings"
            table = against(view, drawn.rows, chosen).map(plain)
            st.table(table, hide_index=True, border="horizontal", alt=alt)
            show_traits(apart(view.market, drawn.rows, chosen, coded=drawn.coded))


def _downloads(drawn: SpaceMap, chosen: np.ndarray) -> None:
    name = f"{drawn.opened.name}-{drawn.space}-region"

    def parquet() -> bytes:
        stream = io.BytesIO()
        export_frame(drawn, chosen).to_parquet(stream, index=False)
        return stream.getvalue()

    download("CSV", lambda: spreadsheet_csv(export_frame(drawn, chosen)), f"{name}.csv", "csv", "text/csv")
    download("Parquet", parquet, f"{name}.parquet", "parquet")


def against(view: MarketView, rows: np.ndarray, chosen: np.ndarray) -> pd.DataFrame:
    """Return a row for each attribute: its summary here and elsewhere on the map."""
    lines = [
        (
            f"{item.label}, {SUMMARIES[item.shown_as]}",
            *(summarize(view, item, part) for part in (rows[chosen], rows[~chosen])),
        )
        for item in view.attributes
        if item.shown_as in SUMMARIES
    ]
    return pd.DataFrame(lines, columns=["Attribute", "Here", "Elsewhere"])


def summarize(view: MarketView, item: Attribute, rows: np.ndarray) -> str:
    """Return the summary of an attribute over listings: the median, the most frequent value, or a share."""
    values = view.market.listings[item.name].iloc[rows].dropna()
    if not len(values):
        return formats.MISSING
    match item.shown_as:
        case "number":
            return view.write(item, float(values.median()))
        case "flag":
            return f"{100 * values.astype(bool).mean():.0f}%"
        case "multi":
            return formats.number(float(values.map(len).median()))
    often = values.astype(str).value_counts()
    share = f"({100 * often.iloc[0] / len(values):.0f}%)"
    return f"{formats.shorten(view.word(item, often.index[0]), 30)} {share}"


def show_traits(portrait: Portrait) -> None:
    """Show the traits that distinguish a group of listings, with their frequency here and elsewhere."""
    if not portrait.traits and not portrait.words:
        st.markdown("Nothing in the attributes or texts sets these listings apart.")
    if portrait.traits:
        st.markdown("**What sets it apart**", help=LIFT_HELP)
        lines = [
            (
                plain(f"{trait.label}: {trait.text}"),
                f"{100 * trait.inside:.0f}%",
                f"{100 * trait.outside:.0f}%",
                f"{trait.lift:.1f}×" if trait.lift < 100 else "only here",
            )
            for trait in portrait.traits[:TRAITS]
        ]
        table = pd.DataFrame(lines, columns=["Trait", "Here", "Elsewhere", "Lift"])
        alt = "Traits with their shares here and elsewhere"
        st.table(table, hide_index=True, border="horizontal", alt=alt)
    if portrait.words:
        help = "Words of the texts that are more frequent here than elsewhere"
        st.markdown(f"**Words**: {plain(', '.join(portrait.words))}", help=help)


def show_groups(drawn: SpaceMap) -> None:
    """Show the groups, the largest first, with a button for more."""
    st.header("Groups", anchor=False, help="Listings that lie close together on this map (HDBSCAN)")
    groups = drawn.groups
    if not groups:
        st.markdown("The listings of this map lie evenly, so no group stands out.")
        return
    between = int((drawn.cluster < 0).sum())
    line = f"{count(len(groups), 'group')}; {count(between, 'listing')} between them"
    st.caption(f"{line}. Shown are the listings nearest to the middle of the group.")
    shown = read_number("groups", GROUPS, 1, len(groups))
    for number in groups[:shown]:
        with st.container(border=True):
            _show_group(drawn, number)
    if shown < len(groups):
        label, more = (
            f"Show {min(MORE, len(groups) - shown)} more of {len(groups)}",
            min(len(groups), shown + MORE),
        )
        button(label, "expand_more", lambda: set_params(groups=more), key="more-groups")


def _show_group(drawn: SpaceMap, number: int) -> None:
    opened, portrait = drawn.opened, drawn.portraits[number]
    size = count(int(drawn.sizes[number]), "listing")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{plain(portrait.name)}**  \n{size}", width="content")
        params = {"group": number, "region": None, "page": None}
        button("Look at it", "search", lambda: set_params(**params), key=f"look-{number}")
    reasons = [f"{trait.label}: {trait.text} ({100 * trait.inside:.0f}%)" for trait in portrait.traits[:3]]
    if portrait.words:
        reasons.append("words: " + ", ".join(portrait.words[:4]))
    if reasons:
        st.caption(plain(" · ".join(reasons)))
    view = opened.view
    cards = [listing_card(opened, row) for row in drawn.typical(number, TYPICAL)]
    if view.has_photos:  # photos only
        cards = [Card(href=card.href, photo=card.photo, alt=card.title) for card in cards]
    layout: Layout = "grid" if view.has_photos else "strip"
    label = f"Typical listings of {portrait.name}"
    gallery(opened, cards, key=f"typical-{number}", label=label, layout=layout, least=140)
