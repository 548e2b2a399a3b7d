"""Overview: the market and the run, the quality of the recommendations, and links to the tasks."""

import numpy as np
import streamlit as st

from listing_vibes.ablation.stair import stair
from listing_vibes.market.profile import MarketProfile, profile
from listing_vibes.serving.monitor.checks import Monitored
from listing_vibes_app.app_pages.overview.data_warnings import data_warnings
from listing_vibes_app.app_pages.overview.quality import show_evaluation, show_stair
from listing_vibes_app.kit.measures import load_ablation
from listing_vibes_app.kit.notices import not_evaluated
from listing_vibes_app.kit.spaces import missing_spaces
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.runs import BY_RUN, OpenRun, current_run, run_params
from listing_vibes_app.view.formats import moment, plain

MONITORING = "Monitoring"
Links = list[tuple[str, str, dict[str, str]]]  # label, page and query parameters of each


def page() -> None:
    """Draw the page."""
    opened = current_run()
    st.title(plain(opened.view.market.name), anchor=False)
    show_notices(opened)
    show_counts(opened)
    with boundary():
        st.header("How good are the recommendations?", anchor=False)
        metrics = opened.run.metrics
        if metrics and metrics.get("results"):
            show_evaluation(metrics)
        else:
            not_evaluated(opened)
    with boundary():
        table = load_ablation(opened)
        if table is not None and (steps := stair(table)):
            show_stair(steps)
    st.header("What do you want to do?", anchor=False)
    show_tasks(opened)
    with boundary():
        show_monitoring(opened)
    with boundary():
        show_warnings(opened)


def show_notices(opened: OpenRun) -> None:
    """Show the market's note, whether the model is of another market, and whether monitoring crossed a threshold."""
    note, transfer = opened.view.market.config.note, opened.run.manifest.carried
    if note:
        st.info(plain(note), icon=":material/info:")
    if opened.run.transferred:
        available = "" if transfer is None else f" It {transfer.sentence.replace(chr(96), chr(34))}."
        line = f"The model was trained on another market and is used here as it is.{available}"
        st.info(plain(line), icon=":material/swap_horiz:")
    with boundary():
        monitored = Monitored.load(opened.run.path)
        if monitored is not None and monitored.crossed:
            line = f"{plain(monitored.verdict)} See “{MONITORING}” below."
            st.warning(line, icon=":material/monitor_heart:")


def show_counts(opened: OpenRun) -> None:
    """Show the size of the market and what the run lacks."""
    market, view = opened.view.market, opened.view
    numbers = {
        "Listings": len(market.plain),
        "Photos": len(market.photos),
        "Users": int(market.events["user_id"].nunique()) if view.has_events else 0,
        "Events": len(market.events),
    }
    with st.container(horizontal=True):
        for label, value in numbers.items():
            st.metric(label, f"{value:,}", border=True, width=170, height=104)
    lines = missing_spaces(opened)
    if view.has_events and market.timed:
        when = market.events["timestamp"]
        lines = [f"Events from {moment(when.min().value)} to {moment(when.max().value)}.", *lines]
    if lines:
        st.caption(" ".join(lines))


def show_tasks(opened: OpenRun) -> None:
    """Show the tasks of the explorer, each with links."""
    listing = _popular_listing(opened)
    users = "Their history, their recommendations and the explanation; or simulate a user."
    user_links: Links = [("Choose a user", "users", {})]
    if not opened.view.has_events:
        users, user_links = "This market has no events. Simulate a user to see recommendations.", []
    tasks: list[tuple[str, str, Links]] = [
        (
            ":material/grid_view: Find listings like one you know",
            "Pick one by words, by photo or at random. See similar listings, and why they are similar.",
            [("Choose a listing", "similar", {}), ("Start with an example", "similar", {"listing": listing})],
        ),
        (":material/group: Follow a user", users, [*user_links, ("Play a user", "simulate", {})]),
        (
            ":material/scatter_plot: See the whole market by vibe",
            "All listings at once: groups and what sets them apart, any region as photos.",
            [("Open the map", "map", {})],
        ),
        (
            ":material/ac_unit: Check a listing without events",
            "The position of a new listing, the users who get it first, and recall on new listings.",
            [("Cold listings", "cold", {}), ("Add one of your own", "cold", {"view": "new"})],
        ),
        (
            ":material/compare_arrows: Judge the model and show it",
            "What each ingredient is worth, two runs side by side, and a report to share.",
            [("Compare", "compare", {})],
        ),
    ]
    for first in range(0, len(tasks), 3):
        for column, (title, line, links) in zip(st.columns(3), tasks[first : first + 3], strict=False):
            with column, st.container(border=True, height="stretch"):
                st.markdown(f"**{title}**")
                st.caption(line)
                with st.container(horizontal=True, gap="small"):
                    for label, page, params in links:
                        query = {**params, **run_params(opened)} or None
                        icon = ":material/arrow_forward:"
                        st.page_link(page_file(page), label=label, icon=icon, query_params=query)


def _popular_listing(opened: OpenRun) -> str:
    """Return the listing with the most events, or else with the most photos."""
    view, ids = (
        opened.view,
        opened.view.market.plain["listing_id"],
    )  # not `view.ids`, which builds a list of all ids for one of them
    counts = np.zeros(1, int)
    if view.has_events:
        counts = view.log.counts()
    elif view.has_photos:
        counts = np.bincount(view.market.photos["listing_id"].map(view.market.listing_row).to_numpy(int))
    return str(ids.iat[int(counts.argmax())])


def show_monitoring(opened: OpenRun) -> None:
    """Show the last result of `vibes monitor`: the crossed thresholds, and the other checks in an expander."""
    monitored = Monitored.load(opened.run.path)
    if monitored is None:
        return
    st.header(MONITORING, anchor=False)
    st.markdown(f"**{plain(monitored.verdict)}**" if monitored.crossed else plain(monitored.verdict))
    for check in monitored.crossed:
        st.markdown(f"- {plain(check.sentence)} Look at: {plain(check.look)}")
    if monitored.quiet:
        with st.expander("All other checks"):
            for check in monitored.quiet:
                st.markdown(f"- {plain(check.sentence)}")
    behind = opened.run.version - monitored.version
    since = (
        f"{behind} {'refresh' if behind == 1 else 'refreshes'} ago"
        if behind > 0
        else "of the current version"
    )
    st.caption(f"Checked {monitored.looked} UTC, {since}.")


def show_warnings(opened: OpenRun) -> None:
    """Show warnings about the data; last on the page, because counting takes longest."""
    st.header("Data warnings", anchor=False)
    with st.spinner("Counting …"):
        result = data_warnings(_profile(opened))
    if not result:
        st.markdown("No warnings: few values are missing, and no column looks like a leak.")
    for what, why in result:
        st.markdown(f"**{plain(what)}.** {plain(why)}")


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _profile(opened: OpenRun) -> MarketProfile:
    return profile(opened.view.market, most_photos=1_000)


page()
