"""A listing without events: its neighbors, its position on the map, and the users in whose lists it ranks highest."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.defaults import K
from listing_vibes.insight.audience import Population, audience_share, recent_lists
from listing_vibes.insight.home import dots_of
from listing_vibes.insight.selection.page_lists import Selection
from listing_vibes.market.columns import Columns as C
from listing_vibes_app.kit.evidence import show_dots
from listing_vibes_app.kit.gallery import gallery, listing_card, page_url
from listing_vibes_app.kit.list_options import describe_score
from listing_vibes_app.kit.map_points import load_maps
from listing_vibes_app.kit.notices import empty, untrained_caption
from listing_vibes_app.kit.people import people_gallery
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.server.runs import BY_RUN, OpenRun, rows_of
from listing_vibes_app.view.formats import count, plain

USERS = 12  # users shown


@dataclass(frozen=True, eq=False)
class Placement:
    """A listing in a space."""

    title: str
    space: str
    vector: np.ndarray  # (d,)
    nearest: pd.DataFrame  # listing_id, score; without the listing
    row: int | None = None  # in the run, if it is one of its listings


def neighbors(opened: OpenRun, placed: Placement, least: int = 190, started_from: str | None = None) -> None:
    """Show the nearest listings, and mark the one that a draft was `started_from`."""
    st.header("Its neighbors", anchor=False)
    label = f"by {label_of(placed.space).lower()}, the most alike first"
    if not similar_gallery(opened, placed.nearest, "landing", label, least=least, started_from=started_from):
        empty("There are no neighbors", "No other listing has anything in this space.")


def similar_gallery(
    opened: OpenRun, near: pd.DataFrame, key: str, label: str, started_from: str | None = None, **more: Any
) -> bool:
    """Show listings (`listing_id, score`) with their similarity; return False if there are none."""
    rows = rows_of(opened, near[C.LISTING])
    cards = [
        listing_card(
            opened,
            row,
            score=f"Similarity {score:.2f}",
            badge="started from" if opened.view.ids[row] == started_from else "",
        )
        for row, score in zip(rows, near["score"], strict=True)
    ]
    meaning = describe_score(opened, Selection("similar", "", K))[1]
    label = f"{count(len(rows), 'listing')} {label}"
    if cards:
        gallery(opened, cards, key=key, label=label, score_help=meaning, **more)
    return bool(cards)


def place_on_map(opened: OpenRun, placed: Placement) -> None:
    """Show the position of the listing on the map of the space."""
    st.header("Where it lands", anchor=False)
    if placed.space == "attributes" and placed.row is None:
        st.caption(
            "A new listing changes the attribute space itself; choose another space to see it on the map."
        )
        return
    drawn = (load_maps(opened) or {}).get(placed.space)
    link = f"[vibe map]({page_url(opened, 'map', space=placed.space)})"
    if drawn is None:
        st.markdown(f"The listing's position is shown here once the {link} is drawn.")
        return
    position = None if placed.row is None else drawn.standing(placed.row)
    at, group = position or drawn.landing(placed.vector)
    if group >= 0:
        url = page_url(opened, "map", space=placed.space, group=group)
        size = count(int(drawn.sizes[group]), "listing")
        st.markdown(f"In the group **[{plain(drawn.names[group])}]({url})** of the vibe map ({size}).")
    else:
        st.markdown(f"Between the groups of the {link}.")
    is_near = np.isin(drawn.rows, rows_of(opened, placed.nearest[C.LISTING])) & (drawn.rows != placed.row)
    show_dots(
        opened,
        "place",
        dots_of(drawn, near=is_near, here=at),
        f"/map?space={placed.space}",
        "Listings as dots in the color of their group; the diamond is this listing, the rings are its neighbors.",
    )
    st.caption("The diamond is this listing; a ring is around each of its neighbors.")


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def last_lists(opened: OpenRun, at: int | None) -> tuple[pd.DataFrame, Population]:
    """Return the lists of active users, see `recent_lists`; one computation serves every listing."""
    return recent_lists(opened.run, at)


def first_users(opened: OpenRun, listing: str, before: int | None, later: set[str]) -> None:
    """Show the users in whose recommendations the listing is.

    Args:
        before: the moment of the recommendations; None: after the last event.
        later: users who interacted with the listing after that moment.
    """
    st.header("Who would get it first", anchor=False)
    if not opened.view.has_events:
        st.caption("This market has no events, so there are no users with a history.")
        return
    untrained_caption(opened)
    with st.spinner("Ranking for the users …"):
        lists, population = last_lists(opened, before)
    result = lists[lists[C.LISTING] == listing].sort_values("rank", kind="stable")
    moment = " before training ended" if before is not None else ""
    share = audience_share(population.share(len(result)))
    st.markdown(f"**{share}** have it among their first {K}, of {population.describe()}{moment}.")
    if later:
        mine = later & set(lists[C.USER])
        found = (
            f"; **{len(mine & set(result[C.USER]))} of the {len(mine)}** asked here had it among their {K}"
        )
        st.markdown(f"{count(len(later), 'user')} interacted with it later{found if mine else ''}.")
    if len(result):
        show_users(opened, result[:USERS], later)


def show_users(opened: OpenRun, ranked_users: pd.DataFrame, later: set[str]) -> None:
    """Show `ranked_users` (user_id, rank, events) as cards."""
    events = ranked_users["events"].astype(int).tolist()
    people_gallery(
        opened,
        [opened.run.user_number[name] for name in ranked_users[C.USER]],
        events,
        key="first-users",
        label="Users who would get this listing first, with its rank among their recommendations",
        notes=[f"its rank is {rank:,}" for rank in ranked_users["rank"]],
        badges=["interacted later" if name in later else "" for name in ranked_users[C.USER]],
        at=events,
    )
