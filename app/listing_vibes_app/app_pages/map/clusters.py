"""The groups of a map: what each is called and why, and a mosaic of its most typical photos."""

import numpy as np
import streamlit as st

from listing_vibes_app.app_pages.map.days import Today
from listing_vibes_app.kit.cards import address, listing_card
from listing_vibes_app.kit.gallery import Card, gallery
from listing_vibes_app.kit.map_points import SpaceMap
from listing_vibes_app.server.params import set_params, whole
from listing_vibes_app.server.photos import SMALL, photo_url
from listing_vibes_app.view.formats import count, plain

SHOWN, MORE = 6, 12
TYPICAL = 8
LEAST = 140  # smallest width of a photo


def clusters(one: SpaceMap, today: Today | None = None) -> None:
    """All groups, the largest first; a page of them at a time.

    Args:
        today: the day that the map shows, of which the groups' sizes are.
    """
    st.header("Groups", anchor=False, help="Listings that lie close together on this map (HDBSCAN)")
    groups = one.groups
    if not groups:
        st.markdown("The listings of this map lie evenly, so no group stands out.")
        return
    there = np.ones(len(one.rows), bool) if today is None else today.live
    between = int((there & (one.cluster < 0)).sum())
    line = f"{count(len(groups), 'group')}"
    if between:
        line += f"; {count(between, 'listing')} {'lies' if between == 1 else 'lie'} between them"
    shown = "Photos are of" if one.opened.view.has_photos else "Shown are"
    st.caption(f"{line}. {shown} the listings nearest to the middle of the group.")
    many = whole("groups", SHOWN, 1, len(groups))
    for number in groups[:many]:
        with st.container(border=True):
            _group(one, number, today)
    if many < len(groups):
        st.button(
            f"Show {min(MORE, len(groups) - many)} more of {len(groups)}",
            icon=":material/expand_more:",
            on_click=lambda: set_params(groups=min(len(groups), many + MORE)),
            key="more-groups",
        )


def _group(one: SpaceMap, number: int, today: Today | None) -> None:
    opened, portrait = one.opened, one.portraits[number]
    size = count(int(one.sizes[number]), "listing")
    if today is not None:
        live = int((today.live & (one.cluster == number)).sum())
        size = f"{live:,} live on {today.said}, of {size}"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{plain(portrait.name)}**  \n{size}", width="content")
        st.button(
            "Look at it",
            icon=":material/search:",
            on_click=lambda: set_params(group=number, region=None, page=None),
            key=f"look-{number}",
            help="Show the group on the map, its photos and figures",
        )
    reasons = [f"{trait.label}: {trait.text} ({100 * trait.inside:.0f}%)" for trait in portrait.traits[:3]]
    if portrait.words:
        reasons.append("words: " + ", ".join(portrait.words[:4]))
    if reasons:
        st.caption(plain(" · ".join(reasons)))
    rows = one.typical(number, TYPICAL)
    label = f"Typical listings of {portrait.name}"
    if not opened.view.has_photos:
        cards = [listing_card(opened, row) for row in rows]
        gallery(cards, key=f"typical-{number}", box=opened.box, label=label, layout="strip", photos=False)
        return
    cards = []
    for row in rows:
        title = opened.view.title(row)
        photo = photo_url(opened.name, opened.view, row, 0, SMALL) if opened.view.photos(row) else None
        link = address(opened, "similar", listing=opened.view.ids[row])
        cards.append(Card(href=link, photo=photo, alt=title))
    gallery(cards, key=f"typical-{number}", box=opened.box, label=label, least=LEAST)
