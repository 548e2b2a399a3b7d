"""Home: what a run shows at a glance; figures, monitoring and data warnings behind "Details"."""

import streamlit as st

from listing_vibes.insight.evidence import Evidence
from listing_vibes.insight.home import iterate_home_evidence
from listing_vibes.market.display_names import market_title
from listing_vibes.serving.monitor_checks import Monitored
from listing_vibes.words import count
from listing_vibes_app.kit.controls import button
from listing_vibes_app.kit.evidence import show_evidence
from listing_vibes_app.kit.notices import empty, to_similar
from listing_vibes_app.kit.spaces import missing_spaces
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import OpenRun, current_run
from listing_vibes_app.server.warm import warm
from listing_vibes_app.view.formats import moment, plain


def page() -> None:
    """Draw the page."""
    opened = current_run()
    only, details = st.query_params.get("part"), "details" in st.query_params
    st.title(plain(market_title(opened.view.market)), anchor=False)
    st.caption(plain(describe_market(opened)))
    show_notices(opened, details)
    with boundary():
        show_items(opened, only)
    warm(opened, "lists", lambda opened: opened.run.recommend(opened.run.listing_ids[:1], k=1))
    if only:
        button("Show all", "arrow_back", lambda: set_params(part=None), key="all-parts")
        return
    if not details:
        button("Details", "expand_more", lambda: set_params(details=1), key="details")
        return
    button("Hide the details", "expand_less", lambda: set_params(details=None), key="details")
    from listing_vibes_app.app_pages.overview.details import show_details

    show_details(opened)


def show_items(opened: OpenRun, only: str | None) -> None:
    """Draw each item once it is computed, or the one that the link names."""
    shown: list[Evidence] = []
    with st.spinner("Looking for what this run can show …"):
        for item in iterate_home_evidence(opened.run):
            if only in (None, item.key):
                show_evidence(opened, item)
                shown.append(item)
    if not shown:
        why = "It takes a few listings with photos or attributes to show how they relate."
        empty("This market is too small for an overview", why)
        to_similar()


def describe_market(opened: OpenRun) -> str:
    """Return the size of the market, its note, and what the run lacks."""
    market, view = opened.view.market, opened.view
    sizes = [count(len(market.listings), "listing")]
    if view.has_photos:
        sizes.append(count(len(market.photos), "photo"))
    if view.has_events:
        sizes += [count(len(view.log.users), "user"), count(len(view.log), "event")]
    line = " · ".join(sizes)
    if view.has_events and market.timed:
        line += f", {moment(int(view.log.time.min()))} to {moment(int(view.log.time.max()))}"
    return " ".join([f"{line}.", *filter(None, [market.config.note]), *missing_spaces(opened)])


def show_notices(opened: OpenRun, details: bool) -> None:
    """Show whether the model is of another market, with `details` which columns it knows, and whether monitoring crossed a threshold."""
    transfer = opened.run.manifest.carried
    if opened.run.transferred:
        sentence = "" if transfer is None else transfer.sentence.replace("`", '"')
        known = sentence if details else sentence.partition(";")[0]
        line = f"The model was trained on another market and is used here as it is.{f' It {known}.' if known else ''}"
        st.info(plain(line), icon=":material/swap_horiz:")
    with boundary():
        monitored = Monitored.load(opened.run.path)
        if monitored is not None and monitored.crossed:
            st.warning(f"{plain(monitored.verdict)} See the details below.", icon=":material/monitor_heart:")


page()
