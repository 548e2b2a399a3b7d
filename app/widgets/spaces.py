"""The switch between spaces: which embedding is compared."""

import streamlit as st

from app.session import Current
from app.widgets.switch import switch

LABELS = {"model": "Model", "photos": "Photos", "attributes": "Attributes"}
MEANINGS = {
    "model": "what the trained model has learned from everything",
    "photos": "how the photos look (the vibe)",
    "attributes": "what the listing says about itself",
}


def space_switch(here: Current) -> str | None:
    """The chosen space, None where the run has none; those it lacks are named with the reason."""
    available = [name for name in LABELS if name in here.run.spaces]
    if not available:
        st.info(
            "This run holds no embedding, so nothing can be compared. Make one with vibes train or vibes embed."
        )
        return None
    explained = " · ".join(f"**{LABELS[name]}**: {MEANINGS[name]}" for name in LABELS)
    offered = {name: LABELS[name] for name in available}
    return switch("Compare by", "space", offered, available[0], help=explained)


def missing_spaces(here: Current) -> list[str]:
    """A sentence for each space that this run cannot offer."""
    reasons = {
        "model": "This run has no trained model"
        + (
            "; make one with vibes train."
            if here.view.has_events
            else ": its market has no events to learn from."
        ),
        "photos": "There is no photo space"
        + ("; the run was made without photos." if here.view.has_photos else ": the market has no photos."),
        "attributes": "There is no attribute space in this run.",
    }
    return [reasons[name] for name in LABELS if name not in here.run.spaces]
