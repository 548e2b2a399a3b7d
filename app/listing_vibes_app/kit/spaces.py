"""The switch between spaces: which embedding is compared."""

import streamlit as st

from listing_vibes_app.kit.switch import switch
from listing_vibes_app.server.runs import OpenRun

LABELS = {"model": "Model", "photos": "Photos", "attributes": "Attributes"}
MEANINGS = {
    "model": "what the trained model has learned from everything",
    "photos": "how the photos look (the vibe)",
    "attributes": "what the listing says about itself",
}


def space_switch(opened: OpenRun) -> str | None:
    """The chosen space, None where the run has none; those it lacks are named with the reason."""
    available = [name for name in LABELS if name in opened.run.spaces]
    if not available:
        st.info(
            "This run holds no embedding, so nothing can be compared. Make one with vibes train or vibes embed."
        )
        return None
    explained = " · ".join(f"**{LABELS[name]}**: {MEANINGS[name]}" for name in LABELS)
    offered = {name: LABELS[name] for name in available}
    return switch("Compare by", "space", offered, opened.run.spaces[0], help=explained)


def missing_spaces(opened: OpenRun) -> list[str]:
    """A sentence for each space that this run cannot offer."""
    reasons = {
        "model": "This run has no trained model"
        + (
            "; make one with vibes train."
            if opened.view.has_events
            else ": its market has no events to learn from."
        ),
        "photos": "There is no photo space"
        + ("; the run was made without photos." if opened.view.has_photos else ": the market has no photos."),
        "attributes": "There is no attribute space in this run.",
    }
    return [reasons[name] for name in LABELS if name not in opened.run.spaces]
