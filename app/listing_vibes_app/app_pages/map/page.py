"""Vibe map: all listings of a space as photos or points, groups with names, and the photos and attributes of what is selected."""

import time

import streamlit as st

from listing_vibes.insight.map.space_map import usual_space
from listing_vibes.insight.map.vibe_map import LEAST
from listing_vibes_app.app_pages.map import drawing_job
from listing_vibes_app.app_pages.map.vibe_map import export_map, vibe_map
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.controls import select, switch
from listing_vibes_app.kit.map_points import drawn_map, load_maps, map_spaces
from listing_vibes_app.kit.notices import empty
from listing_vibes_app.kit.spaces import in_order, label_of, missing_spaces, spaces_help
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import OpenRun, current_run
from listing_vibes_app.view.formats import duration, plain, time_left

#: The map takes the width and height of the window.
STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 4rem 1.5rem 1rem }
</style>"""


def page() -> None:
    """Draw the page."""
    opened = current_run()
    with st.spinner("Opening the map …"):
        names = map_spaces(opened)
    if not names:
        number = len(opened.run.listing_ids)
        why = f"A map needs at least {LEAST} listings that are known in one space; this market has {number}."
        empty("There are too few listings for a map", why)
        return
    show_map(opened, names)


def show_map(opened: OpenRun, names: list[str]) -> None:
    """Draw the controls in one row, then the map."""
    spaces = {name: label_of(name) for name in in_order(names)}
    usual = usual_space(names)
    cleared = ("region", "group", "place")
    st.html(STYLE)
    with st.container(horizontal=True, vertical_alignment="center", key="labelled-map"):
        st.header("Vibe map", anchor=False, width="content")
        help = " · ".join([spaces_help(spaces), *missing_spaces(opened)])
        space = switch("Map of", "space", spaces, usual, cleared, help=help, label_visibility="collapsed")
        by_name = {name: f"Color by {label.lower()}" for name, label in palettes.choices(opened.view).items()}
        by = select("Color by", "by", by_name, palettes.CLUSTERS, width=190, label_visibility="collapsed")
        export = st.container(width="content")
        if load_maps(opened) is None:
            draw_map(opened)
    with st.spinner("Arranging the listings …"):
        drawn = drawn_map(opened, space)
    if drawn is not None:
        with export:
            export_map(opened, drawn)
        vibe_map(opened, drawn, by)


def draw_map(opened: OpenRun) -> None:
    """Draw the final map in the background; a coarse one is shown until then."""
    path = opened.run.path
    job = drawing_job.job_of(path)
    if job is None or not job.error:
        drawing_job.start(path)
        show_progress(opened)
        return
    with st.container(width="content"):
        st.warning(f"The map is coarse, because the final one could not be drawn: {plain(job.error)}")
        st.button("Try again", on_click=lambda: drawing_job.forget(path), key="way-out")


@st.fragment(run_every=1.0)
def show_progress(opened: OpenRun) -> None:
    """Show the progress of the drawing in a line, and rerun the page once it is done."""
    job = drawing_job.job_of(opened.run.path)
    if job is None or not job.is_running:
        if job is not None and not job.error:
            set_params(region=None, group=None, place=None)  # of the coarse map
        st.rerun()
    update, seconds = job.progress, time.monotonic() - job.started
    left, share = "", 0.0
    if update is not None:
        left, share = time_left(update.left), min(1.0, update.done / max(update.total, 1))
    st.progress(
        share, f"A coarse map; refining it: {duration(seconds)}{left}. You may leave this page.", width=480
    )


page()
