"""Vibe map: all listings of a space in the plane, groups with names, and any region of it as photos and figures."""

import numpy as np
import streamlit as st

from listing_vibes.insight.map.region import inside, read_outline
from listing_vibes.insight.map.vibe_map import LEAST
from listing_vibes.progress import Counted
from listing_vibes_app.app_pages.map import drawing_job
from listing_vibes_app.app_pages.map import unmet as demand
from listing_vibes_app.app_pages.map.clusters import clusters
from listing_vibes_app.app_pages.map.days import days_told, today
from listing_vibes_app.app_pages.map.probes import probes
from listing_vibes_app.app_pages.map.region import region
from listing_vibes_app.app_pages.map.vibe_map import vibe_map
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.component import happened
from listing_vibes_app.kit.days import NAME as DAY
from listing_vibes_app.kit.days import day_chosen, market_days
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.map_points import SpaceMap, load_maps
from listing_vibes_app.kit.spaces import LABELS, in_order, label_of, meaning_of, missing_spaces
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import chosen, in_vain, keep, set_params
from listing_vibes_app.server.runs import OpenRun, current_run
from listing_vibes_app.view.formats import count, duration, plain, time_left

KEY = "vibe-map"
AT_ONCE = 20_000  # listings up to which a map is drawn without asking


def page() -> None:
    """The whole page."""
    opened = current_run()
    st.title("Vibe map", anchor=False)
    if not opened.run.spaces:
        empty("There is nothing to draw", "This run holds no embedding. Make one with vibes embed.")
        return
    if len(opened.run.listing_ids) < LEAST:
        empty(
            "There are too few listings for a map",
            f"A map needs at least {LEAST} listings; this market has {len(opened.run.listing_ids)}.",
        )
        return
    maps = load_maps(opened)
    if maps is None:
        drawing(opened)
        return
    if not maps:
        empty(
            "No listing can be drawn",
            f"In each space fewer than {LEAST} listings are known, or the market no longer holds those of the run.",
        )
        return
    one = controls(opened, maps)
    outline, group = choice(one)
    at, layer = moment(opened), None
    if st.session_state["unmet"]:
        with boundary(), st.spinner("Asking users what they wish for …"):
            layer = demand.layer(one, at, demand.chosen_place(one, at))
    vibe_map(
        one,
        str(st.session_state["by"]),
        st.query_params.get("region", "") if outline is not None else "",
        group,
        days_told(one),
        layer,
        key=KEY,
        on_outline=_drawn,
        on_day=_went,
    )
    if layer is not None:
        with boundary():
            demand.places(one, at)
    picked = None
    if outline is not None:
        picked = inside(one.places, outline)
    elif group is not None:
        picked = one.cluster == group
    if picked is not None:
        region(one, picked, one.portraits[group].name if group is not None else None, today(one))
    with boundary():
        clusters(one, today(one))
    with boundary():
        probes(opened)


def controls(opened: OpenRun, maps: dict[str, SpaceMap]) -> SpaceMap:
    """Space, colours, and a group to look at."""
    spaces = in_order(maps)
    usual = "photos" if "photos" in maps else spaces[0]  # the vibe
    st.session_state["space"] = chosen("space", spaces, usual)
    one = maps[st.session_state["space"]]
    by = palettes.choices(opened.view)
    usual_by = palettes.own(opened.view, palettes.CLUSTERS)
    st.session_state["by"] = chosen("by", list(by), usual_by)
    groups = list(map(str, one.groups))
    st.session_state["group"] = chosen("group", groups, "") or None
    st.session_state["unmet"] = demand.offered(opened) and st.query_params.get("unmet") == "1"
    if st.query_params.get("unmet") == "1" and not demand.offered(opened):
        in_vain("The link asks where demand is unmet, which takes a trained model and events.")
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-map"):
        st.segmented_control(
            "Map of",
            spaces,
            key="space",
            format_func=label_of,
            required=True,
            help=" · ".join(
                f"**{label_of(name)}**: {meaning_of(name)}" for name in in_order({*LABELS, *spaces})
            ),
            on_change=_other_space,
            args=(usual,),
        )
        st.selectbox(
            "Colour by",
            list(by),
            key="by",
            format_func=by.__getitem__,
            on_change=keep,
            args=("by", "by", usual_by),
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
        if demand.offered(opened):
            st.toggle("Where demand is unmet", key="unmet", on_change=_switched, help=demand.HELP)
    lost = len(opened.run.listing_ids) - len(one.rows)
    told = f"{count(len(one.rows), 'listing')} by {meaning_of(one.space)}; what is alike lies near to one another."
    if lost:
        told += f" {count(lost, 'listing')} without anything in this space {'is' if lost == 1 else 'are'} left out."
    st.caption(" ".join([told, *missing_spaces(opened)]))
    return one


def choice(one: SpaceMap) -> tuple[np.ndarray | None, int | None]:
    """The region and the group that the URL names; a drawn region goes before a group."""
    text = st.query_params.get("region", "")
    outline = read_outline(text) if text else None
    if text and outline is None:
        in_vain("The region in the link cannot be read, so none is shown.")
    group = st.session_state["group"]
    return outline, int(group) if group is not None and outline is None else None


def moment(opened: OpenRun) -> int | None:
    """The end of the day that the URL names, in the log's time; None: after the last event."""
    days, day = market_days(opened), day_chosen(opened)
    return None if days is None or day is None or day == len(days) - 1 else days.begin(day + 1)


def drawing(opened: OpenRun) -> None:
    """No map yet: draw it, and show that this is at work."""
    job = drawing_job.job_of(opened.run.path)
    if job is not None and job.trouble:
        empty(
            "The map could not be drawn",
            job.trouble,
            icon=":material/error:",
            action="Try again",
            on_click=drawing_job.forget,
            args=(opened.run.path,),
        )
        return
    if job is None or not job.at_work:
        number = len(opened.run.listing_ids)
        if number > AT_ONCE:
            empty(
                "The map of this run is not drawn yet",
                f"With {number:,} listings this takes some minutes. You may go on elsewhere meanwhile.",
                icon=":material/map:",
                action="Draw the map",
                on_click=drawing_job.start,
                args=(opened.run.path,),
                key="draw-map",
            )
            return
        drawing_job.start(opened.run.path)
    waiting(opened)


@st.fragment(run_every=1.0)
def waiting(opened: OpenRun) -> None:
    """How long the drawing is at work; the page comes back by itself once it is done."""
    with boundary():
        _at_work(opened)


def _at_work(opened: OpenRun) -> None:
    job = drawing_job.job_of(opened.run.path)
    if job is None or not job.at_work:
        st.rerun()
    with st.status(f"Drawing the map: {duration(job.seconds)}{time_left(job.left)}", expanded=True):
        if job.standing is None:
            st.progress(0.0, "Starting")
        else:
            told, _ = job.standing
            st.progress(min(1.0, told.done / max(told.total, 1)), _step(told))
        names = ", ".join(label_of(name).lower() for name in opened.run.spaces)
        st.markdown(
            f"{count(len(opened.run.listing_ids), 'listing')} in {count(len(opened.run.spaces), 'space')} "
            f"({plain(names)}). It is done once for each run. You may leave this page; the drawing goes on."
        )


def _step(told: Counted) -> str:
    """What is done now, and of photos how many."""
    doing = told.what[:1].upper() + told.what[1:]
    return f"{doing}: {told.done:,} of {told.total:,}" if told.what == drawing_job.PHOTOS else doing


def _drawn() -> None:
    outline = happened(KEY, "outline")
    if outline:
        set_params(region=outline, group=None, place=None, page=None)


def _went() -> None:
    number, days = happened(KEY, "day"), market_days(current_run())
    if isinstance(number, int) and days is not None:
        set_params(**{DAY: days.date(number) if 0 <= number < len(days) else None, "place": None})


def _switched() -> None:
    set_params(unmet=1 if st.session_state["unmet"] else None, place=None)


def _other_space(default: str) -> None:
    set_params(region=None, group=None, place=None, page=None)
    keep("space", "space", default)


def _other_group() -> None:
    set_params(region=None, place=None, page=None)
    keep("group", "group")


with boundary():
    page()
