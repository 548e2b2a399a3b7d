"""Overview: what market and run this is, how good it is, and the doors to the tasks."""

from shlex import quote

import streamlit as st

from app.formats import count, moment, plain
from app.session import Current, boundary, current
from app.widgets.figures import show_figures
from app.widgets.spaces import LABELS, missing_spaces


def page() -> None:
    """The whole page."""
    here = current()
    st.title(plain(here.view.market.name), anchor=False)
    notices(here)
    counts(here)
    with boundary():
        quality(here)
    doors(here)


def notices(here: Current) -> None:
    """The market's own note, and whether it changed since the run was made."""
    if here.view.market.config.note:
        st.info(plain(here.view.market.config.note), icon=":material/info:")
    if here.run.market_changed:
        st.warning(
            "The market changed since this run was made, so listings and figures may not fit it any more. "
            "Train or embed it anew.",
            icon=":material/history:",
        )
    manifest = here.run.manifest
    if manifest.trained_on and manifest.trained_on != manifest.fingerprint:
        st.info(
            "The model was trained on another market and is used here as it is.", icon=":material/swap_horiz:"
        )


def counts(here: Current) -> None:
    """How large the market is and what the run offers."""
    market, view = here.view.market, here.view
    users = int(market.events["user_id"].nunique()) if view.has_events else 0
    numbers = {
        "Listings": (len(market.listings), "Things on offer"),
        "Photos": (len(market.photos), "Pictures of listings"),
        "Users": (users, "People with at least one event"),
        "Events": (len(market.events), "Times that a user touched a listing"),
    }
    with st.container(horizontal=True):
        for label, (value, meaning) in numbers.items():
            st.metric(label, f"{value:,}", help=meaning, border=True, width=170, height=104)
    lines = [described(here)]
    if view.has_events and market.timed:
        when = market.events["timestamp"]
        lines.append(f"Events from {moment(when.min().value)} to {moment(when.max().value)}")
    elif view.has_events:
        lines.append("Events are ordered but have no dates")
    spaces = [LABELS[name].lower() for name in LABELS if name in here.run.spaces]
    if spaces:
        lines.append(f"Listings can be compared by {_listed(spaces)}")
    odd = sum(defect.count for defect in market.defects)
    if odd:
        lines.append(f"{count(odd, 'oddity', 'oddities')} in the tables; vibes check lists them")
    st.caption("  ·  ".join(lines))
    for reason in missing_spaces(here):
        st.caption(reason)


def described(here: Current) -> str:
    """Which run this is, in a few words."""
    settings = here.run.manifest.settings
    made = f"preset {settings.preset}, seed {settings.seed}" if here.run.has_model else "without a model"
    return f"Run {plain(here.name)}: {made}"


def quality(here: Current) -> None:
    """Recall@30 beside the baselines, or what to do to have it."""
    st.header("How good are the recommendations?", anchor=False)
    metrics = here.run.metrics
    if metrics and metrics.get("results"):
        show_figures(metrics)
    elif "model" not in here.run.spaces:
        st.markdown(
            "This run has no trained model, so there is nothing to measure. Listings can be compared all the same."
        )
    else:
        st.markdown("Not measured yet. Measure it against five baselines with")
        st.code(f"vibes evaluate {quote(str(here.run.path))}", language="bash")


def doors(here: Current) -> None:
    """The tasks that this explorer is for."""
    st.header("Where to go", anchor=False)
    users = (
        "See a history and what it leads to."
        if here.view.has_events
        else "This market has no events, so no users."
    )
    tasks = [
        (
            "app_pages/similar.py",
            "Similar listings",
            ":material/grid_view:",
            "Pick a listing and see what is like it.",
        ),
        ("app_pages/users.py", "Users", ":material/group:", users),
        (
            "app_pages/simulate.py",
            "Simulate a user",
            ":material/draw:",
            "Click a history together and watch the recommendations follow.",
        ),
        (
            "app_pages/map.py",
            "Vibe map",
            ":material/scatter_plot:",
            "All listings at once: groups, their looks, any region as photos.",
        ),
        (
            "app_pages/cold.py",
            "Cold start",
            ":material/ac_unit:",
            "Listings nobody has touched yet, and one of your own.",
        ),
        (
            "app_pages/compare.py",
            "Compare",
            ":material/compare_arrows:",
            "What each ingredient is worth, run beside run, and a report.",
        ),
    ]
    for first in range(0, len(tasks), 3):
        row = tasks[first : first + 3]
        for column, (path, label, icon, line) in zip(st.columns(3), row, strict=True):
            with column, st.container(border=True, height="stretch"):
                st.page_link(path, label=f"**{label}**", icon=icon)
                st.caption(line)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


with boundary():
    page()
