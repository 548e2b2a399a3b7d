"""The five tasks that the explorer is for, each with a door that leads right into it."""

from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from app.session import Current, run_paths


@dataclass(frozen=True)
class Door:
    """A task: what one finds out, and where. The first link is the way in, others lead to a neighbouring page."""

    task: str
    line: str
    icon: str
    links: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # label, page, parameters


def doors(here: Current) -> list[Door]:
    """The doors of a run; what its market cannot offer is not among the links, and the line says why."""
    listing = _a_listing(here)
    with_users, with_model = here.view.has_events, here.run.has_model
    users: list[tuple[str, str, dict[str, str]]] = [("Choose a user", "users", {})] if with_users else []
    users.append(("Play a user" if with_model else "What playing one takes", "simulate", {}))
    return [
        Door(
            "Find listings like one you know",
            "Pick one by words, by its look or by chance; see what is like it, and why.",
            ":material/grid_view:",
            [
                ("Choose a listing", "similar", {}),
                ("Start with an example", "similar", {"listing": listing} if listing else {}),
            ],
        ),
        Door(
            "Follow a user",
            _of_users(with_users, with_model),
            ":material/group:",
            users,
        ),
        Door(
            "See the whole market by vibe",
            "All listings at once: groups and what sets them apart, any region as photos.",
            ":material/scatter_plot:",
            [("Open the map", "map", {})],
        ),
        Door(
            "Check a listing nobody touched",
            "Where a new listing lands, who gets it first, and how well that works.",
            ":material/ac_unit:",
            [("Cold listings", "cold", {}), ("Add one of your own", "cold", {"view": "new"})],
        ),
        Door(
            "Judge the model and show it",
            "What each ingredient is worth, run beside run, and a report to hand on.",
            ":material/compare_arrows:",
            [("Compare", "compare", {})],
        ),
    ]


def _of_users(with_users: bool, with_model: bool) -> str:
    if not with_users:
        without = (
            "You can play one yourself." if with_model else "To play one yourself takes a trained model."
        )
        return f"This market has no events, so no users. {without}"
    if not with_model:
        return "What they touched. This run has no trained model, which recommendations take."
    return "What they touched, what they would get, what carried it; or play one yourself."


def show_doors(here: Current) -> None:
    """Draw them."""
    run = {"run": here.name} if len(run_paths()) > 1 else {}
    found = doors(here)
    for first in range(0, len(found), 3):
        row = found[first : first + 3]
        for column, door in zip(st.columns(3), row, strict=False):
            with column, st.container(border=True, height="stretch"):
                st.markdown(f"**{door.icon} {door.task}**")
                st.caption(door.line)
                with st.container(horizontal=True, gap="small"):
                    for label, page, params in door.links:
                        st.page_link(
                            f"app_pages/{page}.py",
                            label=label,
                            icon=":material/arrow_forward:",
                            query_params={**params, **run} or None,
                        )


def _a_listing(here: Current) -> str | None:
    """A listing to begin with: the one that most users touched, or that has the most photos."""
    view = here.view
    if view.has_events:
        return view.ids[int(view.log.counts().argmax())]
    if view.has_photos:
        photos = view.market.photos["listing_id"].map(view.market.listing_row).to_numpy(np.int64)
        return view.ids[int(np.bincount(photos, minlength=len(view)).argmax())]
    return view.ids[0] if len(view) else None
