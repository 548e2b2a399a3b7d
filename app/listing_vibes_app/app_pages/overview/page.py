"""Overview: what market and run this is, how good it is, and the ways into the tasks."""

import streamlit as st

from listing_vibes.ablation.stair import stair
from listing_vibes.market.profile import MarketProfile, profile
from listing_vibes.run.describe import reader_sentence
from listing_vibes.words import enumerated
from listing_vibes_app.app_pages.overview.data_warnings import data_warnings
from listing_vibes_app.app_pages.overview.quality import show_figures
from listing_vibes_app.app_pages.overview.stair import show_stair
from listing_vibes_app.app_pages.overview.still_good import crossed_notice, show_still_good
from listing_vibes_app.app_pages.overview.task_cards import show_tasks
from listing_vibes_app.kit.kept_ablation import load_ablation
from listing_vibes_app.kit.notices import unmeasured
from listing_vibes_app.kit.spaces import in_order, label_of, missing_spaces
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.runs import OpenRun, current_run
from listing_vibes_app.view.formats import moment, plain


def page() -> None:
    """The whole page."""
    opened = current_run()
    st.title(plain(opened.view.market.name), anchor=False)
    notices(opened)
    with boundary():
        crossed_notice(opened)
    counts(opened)
    with boundary():
        quality(opened)
    with boundary():
        ingredients(opened)
    st.header("What do you want to do?", anchor=False)
    show_tasks(opened)
    with boundary():
        show_still_good(opened)
    with boundary():
        odd(opened)


def notices(opened: OpenRun) -> None:
    """The market's own note, and whether the model is of another market."""
    if opened.view.market.config.note:
        st.info(plain(opened.view.market.config.note), icon=":material/info:")
    if opened.run.transferred:
        st.info(transfer(opened), icon=":material/swap_horiz:")


def transfer(opened: OpenRun) -> str:
    """That the model is another market's, and what it knows of this one."""
    carried = opened.run.manifest.carried
    told = "The model was trained on another market and is used here as it is."
    return told if carried is None else f"{told} It {plain(carried.sentence.replace(chr(96), chr(34)))}."


def counts(opened: OpenRun) -> None:
    """How large the market is and what the run offers."""
    market, view = opened.view.market, opened.view
    users = int(market.events["user_id"].nunique()) if view.has_events else 0
    numbers = {
        "Listings": (len(market.plain), "Things on offer"),
        "Photos": (len(market.photos), "Pictures of listings"),
        "Users": (users, "People with at least one event"),
        "Events": (len(market.events), "Times that a user touched a listing"),
    }
    with st.container(horizontal=True):
        for label, (value, meaning) in numbers.items():
            st.metric(label, f"{value:,}", help=meaning, border=True, width=170, height=104)
    lines = [described(opened)]
    if view.has_events and market.timed:
        when = market.events["timestamp"]
        lines.append(f"Events from {moment(when.min().value)} to {moment(when.max().value)}")
    elif view.has_events:
        lines.append("Events are ordered but have no dates")
    spaces = [label_of(name).lower() for name in in_order(opened.run.spaces)]
    if spaces:
        lines.append(f"Listings can be compared by {enumerated(spaces)}")
    st.caption("  ·  ".join(lines))
    if opened.run.has_model:
        st.caption(reader_sentence(opened.run.manifest.settings))
    for reason in missing_spaces(opened):
        st.caption(reason)


def described(opened: OpenRun) -> str:
    """Which run this is, in a few words."""
    settings = opened.run.manifest.settings
    if not opened.run.has_model:
        return "A run without a model"
    return f"A model of the preset {settings.preset}, reader {settings.history}, seed {settings.seed}"


def quality(opened: OpenRun) -> None:
    """Recall@30 beside the baselines, or what to do to have it."""
    st.header("How good are the recommendations?", anchor=False)
    metrics = opened.run.metrics
    if metrics and metrics.get("results"):
        show_figures(metrics)
    elif "model" not in opened.run.spaces:
        st.markdown(f"This run has no trained model, so there is nothing to measure. {possible_next(opened)}")
    else:
        unmeasured(opened)


def possible_next(opened: OpenRun) -> str:
    """Return what a run without a model offers, and how to have a model."""
    model = (
        "train a model with `vibes train`"
        if opened.view.has_events
        else "take a model of another market with `vibes embed --model`"
    )
    return f"Similar listings, the map and recommendations by untrained neighbors work; or {model}."


def ingredients(opened: OpenRun) -> None:
    """The stair of the method, where the run has an ablation that tells it."""
    table = load_ablation(opened)
    if table is not None and (steps := stair(table)):
        show_stair(steps)


def odd(opened: OpenRun) -> None:
    """What is odd in the data; last on the page, since it is counted while the rest is read already."""
    st.header("What is odd in the data", anchor=False)
    with st.spinner("Counting …"):
        found = data_warnings(_profile(opened.view.market.fingerprint, opened))
    if not found:
        st.markdown("Nothing stands out: hardly a value is missing and no column looks like a leak.")
    for one in found:
        st.markdown(f"**{plain(one.what)}.** {plain(one.why)}")


@st.cache_data(show_spinner=False, max_entries=8)
def _profile(fingerprint: str, _opened: OpenRun) -> MarketProfile:
    return profile(_opened.view.market, most_photos=1_000)


with boundary():
    page()
