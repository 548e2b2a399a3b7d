"""Vibe map: all listings of a space as points, groups with names, and the photos and statistics of a region."""

import time

import streamlit as st

from listing_vibes.insight.map.region import inside, read_outline
from listing_vibes.insight.map.vibe_map import LEAST
from listing_vibes_app.app_pages.map import drawing_job
from listing_vibes_app.app_pages.map.region import show_groups, show_region
from listing_vibes_app.app_pages.map.unmet import HELP, has_unmet, layer, show_regions
from listing_vibes_app.app_pages.map.vibe_map import vibe_map
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.controls import select, switch
from listing_vibes_app.kit.days import market_days, read_day
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.map_points import SpaceMap, load_maps
from listing_vibes_app.kit.spaces import in_order, label_of, meaning_of, missing_spaces, spaces_help
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import bind, read_choice, report_unused
from listing_vibes_app.server.runs import OpenRun, current_run
from listing_vibes_app.view.formats import count, duration, time_left

AT_ONCE = 20_000  # a map of at most so many listings is drawn without a click


def page() -> None:
    """Draw the page."""
    opened = current_run()
    st.title("Vibe map", anchor=False)
    if not opened.run.spaces:
        empty("There is nothing to draw", "This run has no embedding. Create one with vibes embed.")
        return
    if (number := len(opened.run.listing_ids)) < LEAST:
        why = f"A map needs at least {LEAST} listings; this market has {number}."
        empty("There are too few listings for a map", why)
        return
    maps = load_maps(opened)
    if maps is None:
        draw_map(opened)
    elif not maps:
        why = f"In each space fewer than {LEAST} listings are known, or the market no longer has those of the run."
        empty("No listing can be drawn", why)
    else:
        show_map(opened, maps)


def show_map(opened: OpenRun, maps: dict[str, SpaceMap]) -> None:
    """Draw the controls, the map, the selection on it, and the groups."""
    spaces = {name: label_of(name) for name in in_order(maps)}
    usual = "photos" if "photos" in maps else next(iter(spaces))  # the vibe
    by = palettes.choices(opened.view)
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-map"):
        place = ("region", "place", "page")
        space = switch("Map of", "space", spaces, usual, (*place, "group"), help=spaces_help(spaces))
        drawn = maps[space]
        by_name = select("Color by", "by", by, palettes.CLUSTERS, width=260)
        groups = {str(number): drawn.portraits[number].name for number in drawn.groups}
        group = ""
        if groups:
            group = select("Group", "group", groups, "", place, placeholder="All listings", width=340)
        with_demand = read_choice("unmet", ["0", "1"] if has_unmet(opened) else [], "0") == "1"
        if has_unmet(opened):
            toggle = bind("unmet", with_demand, False, clears=("place",), write=int)
            st.toggle("Where demand is unmet", help=HELP, **toggle)
    line = f"{count(len(drawn.rows), 'listing')} by {meaning_of(space)}; what is alike lies close together."
    if lost := len(opened.run.listing_ids) - len(drawn.rows):
        line += f" {count(lost, 'listing')} without anything in this space {'is' if lost == 1 else 'are'} left out."
    st.caption(" ".join([line, *missing_spaces(opened)]))
    text = st.query_params.get("region", "")
    outline = read_outline(text) if text else None
    if text and outline is None:
        report_unused("The region in the link cannot be read, so none is shown.")
    number = int(group) if group and outline is None else None  # a region takes precedence over a group
    at, unmet = end_of_day(opened), None
    if with_demand:
        with boundary(), st.spinner("Estimating what users want …"):
            unmet = layer(drawn, at)
    vibe_map(drawn, by_name, text if outline is not None else "", number, unmet)
    if unmet is not None:
        with boundary():
            show_regions(drawn, at)
    if outline is not None:
        show_region(drawn, inside(drawn.places, outline), None)
    elif number is not None:
        show_region(drawn, drawn.cluster == number, drawn.portraits[number].name)
    with boundary():
        show_groups(drawn)


def end_of_day(opened: OpenRun) -> int | None:
    """Return the end of the day that the URL names, in the log's time; None: after the last event."""
    days, day = market_days(opened), read_day(opened)
    return None if days is None or day is None or day == len(days) - 1 else days.begin(day + 1)


def draw_map(opened: OpenRun) -> None:
    """Start to draw the map of a run that has none, and show the progress."""
    path, number = opened.run.path, len(opened.run.listing_ids)
    job = drawing_job.job_of(path)
    if job is not None and job.error:
        forget = lambda: drawing_job.forget(path)  # noqa: E731
        empty("The map could not be drawn", job.error, "Try again", forget, icon="error")
        return
    if job is None and number > AT_ONCE:
        why = f"With {number:,} listings this takes some minutes. You may leave this page."
        title = "The map of this run is not drawn yet"
        empty(title, why, "Draw the map", lambda: drawing_job.start(path), icon="map")
        return
    drawing_job.start(path)
    show_progress(opened)


@st.fragment(run_every=1.0)
def show_progress(opened: OpenRun) -> None:
    """Show the progress of the drawing, and rerun the page once it is done."""
    job = drawing_job.job_of(opened.run.path)
    if job is None or not job.is_running:
        st.rerun()
    update, seconds = job.progress, time.monotonic() - job.started
    left = "" if update is None else time_left(update.left)
    with st.status(f"Drawing the map: {duration(seconds)}{left}", expanded=True):
        share, step = 0.0, "Starting"
        if update is not None:
            share = min(1.0, update.done / max(update.total, 1))
            step = f"{update.what[:1].upper()}{update.what[1:]}: {int(update.done):,} of {update.total:,}"
        st.progress(share, step)
        st.markdown(
            f"{count(len(opened.run.listing_ids), 'listing')} in {count(len(opened.run.spaces), 'space')}. It is done once for each "
            "run. You may leave this page; the drawing goes on."
        )


page()
