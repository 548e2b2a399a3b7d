"""The five tasks that the explorer is for, each with links that lead right into it."""

from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.runs import OpenRun, run_paths


@dataclass(frozen=True)
class Task:
    """A task: what one finds out, and where. The first link is the way in, others lead to a neighbouring page."""

    title: str
    line: str
    icon: str
    links: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # label, page, parameters


def tasks(opened: OpenRun) -> list[Task]:
    """The tasks of a run; what its market cannot offer is not among the links, and the line says why."""
    listing = _a_listing(opened)
    with_users, with_model = opened.view.has_events, opened.run.has_model
    users: list[tuple[str, str, dict[str, str]]] = [("Choose a user", "users", {})] if with_users else []
    users.append(("Play a user", "simulate", {}))
    return [
        Task(
            "Find listings like one you know",
            "Pick one by words, by its look or by chance; see what is like it, and why.",
            ":material/grid_view:",
            [
                ("Choose a listing", "similar", {}),
                ("Start with an example", "similar", {"listing": listing} if listing else {}),
            ],
        ),
        Task(
            "Follow a user",
            _of_users(with_users, with_model),
            ":material/group:",
            users,
        ),
        Task(
            "See the whole market by vibe",
            "All listings at once: groups and what sets them apart, any region as photos.",
            ":material/scatter_plot:",
            [("Open the map", "map", {})],
        ),
        Task(
            "Check a listing nobody touched",
            "Where a new listing lands, who gets it first, and how well that works.",
            ":material/ac_unit:",
            [("Cold listings", "cold", {}), ("Add one of your own", "cold", {"view": "new"})],
        ),
        Task(
            "Judge the model and show it",
            "What each ingredient is worth, run beside run, and a report to hand on.",
            ":material/compare_arrows:",
            [("Compare", "compare", {})],
        ),
    ]


def _of_users(with_users: bool, with_model: bool) -> str:
    if not with_users:
        return "This market has no events, so no users; play one and see what they would get."
    if not with_model:
        return "What they touched, and its untrained neighbors; or play one yourself."
    return "What they touched, what they would get, what carried it; or play one yourself."


def show_tasks(opened: OpenRun) -> None:
    """Draw them."""
    run = {"run": opened.name} if len(run_paths()) > 1 else {}
    found = tasks(opened)
    for first in range(0, len(found), 3):
        row = found[first : first + 3]
        for column, task in zip(st.columns(3), row, strict=False):
            with column, st.container(border=True, height="stretch"):
                st.markdown(f"**{task.icon} {task.title}**")
                st.caption(task.line)
                with st.container(horizontal=True, gap="small"):
                    for label, page, params in task.links:
                        st.page_link(
                            page_file(page),
                            label=label,
                            icon=":material/arrow_forward:",
                            query_params={**params, **run} or None,
                        )


def _a_listing(opened: OpenRun) -> str | None:
    """A listing to begin with: the one that most users touched, or that has the most photos."""
    view = opened.view
    ids = view.market.plain["listing_id"]  # not `view.ids`: one name of a million
    if view.has_events:
        return str(ids.iat[int(view.log.counts().argmax())])
    if view.has_photos:
        photos = view.market.photos["listing_id"].map(view.market.listing_row).to_numpy(np.int64)
        return str(ids.iat[int(np.bincount(photos, minlength=len(view)).argmax())])
    return str(ids.iat[0]) if len(view) else None
