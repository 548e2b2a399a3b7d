"""Vibe map: all listings of a space in the plane, groups with names, and any region of it as photos and figures."""

import numpy as np
import streamlit as st

from app import map_colours, map_job
from app.formats import count, plain
from app.map_points import SpaceMap, load_maps
from app.session import Current, boundary, chosen, current, keep, set_params
from app.widgets.clusters import clusters
from app.widgets.empty import empty
from app.widgets.probes import probes
from app.widgets.region import region
from app.widgets.spaces import LABELS, MEANINGS, missing_spaces
from app.widgets.vibe_map import drawn, vibe_map
from core.insight.map.region import inside, read_outline
from core.insight.map.vibe_map import LEAST

KEY = "vibe-map"
AT_ONCE = 20_000  # listings up to which a map is drawn without asking


def page() -> None:
    """The whole page."""
    here = current()
    st.title("Vibe map", anchor=False)
    if not here.run.spaces:
        empty("There is nothing to draw", "This run holds no embedding. Make one with vibes embed.")
        return
    if len(here.run.listing_ids) < LEAST:
        empty(
            "There are too few listings for a map",
            f"A map needs at least {LEAST} listings; this market has {len(here.run.listing_ids)}.",
        )
        return
    maps = load_maps(here)
    if maps is None:
        drawing(here)
        return
    if not maps:
        empty(
            "No listing can be drawn",
            f"In each space fewer than {LEAST} listings are known, or the market no longer holds those of the run.",
        )
        return
    one = controls(here, maps)
    outline, group = choice(one)
    vibe_map(
        one,
        str(st.session_state["by"]),
        st.query_params.get("region", "") if outline is not None else "",
        group,
        key=KEY,
        on_outline=_drawn,
    )
    picked = None
    if outline is not None:
        picked = inside(one.places, outline)
    elif group is not None:
        picked = one.cluster == group
    if picked is not None:
        region(one, picked, one.portraits[group].name if group is not None else None)
    clusters(one)
    probes(here)


def controls(here: Current, maps: dict[str, SpaceMap]) -> SpaceMap:
    """Space, colours, and a group to look at."""
    spaces = [name for name in LABELS if name in maps]
    st.session_state["space"] = chosen("space", spaces, spaces[0])
    one = maps[st.session_state["space"]]
    by = map_colours.choices(here.view)
    st.session_state["by"] = chosen("by", list(by), map_colours.CLUSTERS)
    groups = [str(number) for number in range(one.clusters)]
    st.session_state["group"] = chosen("group", groups, "") or None
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-map"):
        st.segmented_control(
            "Map of",
            spaces,
            key="space",
            format_func=LABELS.__getitem__,
            required=True,
            help=" · ".join(f"**{LABELS[name]}**: {MEANINGS[name]}" for name in LABELS),
            on_change=_other_space,
            args=(spaces[0],),
        )
        st.selectbox(
            "Colour by",
            list(by),
            key="by",
            format_func=by.__getitem__,
            on_change=keep,
            args=("by", "by", map_colours.CLUSTERS),
            width=260,
        )
        if groups:
            st.selectbox(
                "Group",
                groups,
                key="group",
                index=None,
                placeholder="All listings",
                format_func=lambda number: one.portraits[int(number)].name,
                on_change=_other_group,
                width=340,
                help="Listings that lie close together; named by what sets them apart",
            )
    lost = len(here.run.listing_ids) - len(one.rows)
    told = (
        f"{count(len(one.rows), 'listing')} by {MEANINGS[one.space]}; what is alike lies near to one another."
    )
    if lost:
        told += f" {count(lost, 'listing')} without anything in this space {'is' if lost == 1 else 'are'} left out."
    st.caption(" ".join([told, *missing_spaces(here)]))
    return one


def choice(one: SpaceMap) -> tuple[np.ndarray | None, int | None]:
    """The region and the group that the URL names; a drawn region goes before a group."""
    text = st.query_params.get("region", "")
    outline = read_outline(text) if text else None
    if text and outline is None:
        st.caption("The region in the link cannot be read, so none is shown.")
    group = st.session_state["group"]
    return outline, int(group) if group is not None and outline is None else None


def drawing(here: Current) -> None:
    """No map yet: draw it, and show that this is at work."""
    job = map_job.job_of(here.run.path)
    if job is not None and job.trouble:
        empty(
            "The map could not be drawn",
            job.trouble,
            icon=":material/error:",
            action="Try again",
            on_click=map_job.forget,
            args=(here.run.path,),
        )
        return
    if job is None or not job.at_work:
        number = len(here.run.listing_ids)
        if number > AT_ONCE:
            empty(
                "The map of this run is not drawn yet",
                f"With {number:,} listings this takes some minutes. You may go on elsewhere meanwhile.",
                icon=":material/map:",
                action="Draw the map",
                on_click=map_job.start,
                args=(here.run.path,),
                key="draw-map",
            )
            return
        map_job.start(here.run.path)
    waiting(here)


@st.fragment(run_every=1.0)
def waiting(here: Current) -> None:
    """How long the drawing is at work; the page comes back by itself once it is done."""
    job = map_job.job_of(here.run.path)
    if job is None or not job.at_work:
        st.rerun()
    with st.status(f"Drawing the map: {job.seconds:.0f} s", expanded=True):
        names = ", ".join(LABELS[name].lower() for name in here.run.spaces)
        st.markdown(
            f"{count(len(here.run.listing_ids), 'listing')} in {count(len(here.run.spaces), 'space')} "
            f"({plain(names)}). It is done once for each run. You may leave this page; the drawing goes on."
        )


def _drawn() -> None:
    outline = drawn(KEY)
    if outline:
        set_params(region=outline, group=None, page=None)


def _other_space(default: str) -> None:
    set_params(region=None, group=None, page=None)
    keep("space", "space", default)


def _other_group() -> None:
    set_params(region=None, page=None)
    keep("group", "group")


with boundary():
    page()
