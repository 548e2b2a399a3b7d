"""The switch between spaces: which embedding is compared."""

from collections.abc import Iterable

import streamlit as st

from listing_vibes_app.kit.switch import switch
from listing_vibes_app.server.runs import OpenRun

LABELS = {"model": "Model", "photos": "Photos", "attributes": "Attributes"}
MEANINGS = {
    "model": "what the trained model has learned from everything",
    "photos": "how the photos look (the vibe)",
    "attributes": "what the listing says about itself",
}


def label_of(space: str) -> str:
    """What people read of a space; vectors that the market brings along are called as `market.toml` does."""
    return LABELS.get(space, space)


def meaning_of(space: str) -> str:
    """What a space compares by."""
    return MEANINGS.get(space, f"the market's own vectors “{space}”")


def in_order(spaces: Iterable[str]) -> list[str]:
    """The spaces as a switch offers them: those of the run, then the market's own."""
    rank = {name: place for place, name in enumerate(LABELS)}
    return sorted(spaces, key=lambda name: (rank.get(name, len(rank)), name))


def space_switch(opened: OpenRun) -> str | None:
    """The chosen space, None where the run has none; those it lacks are named with the reason."""
    available = in_order(opened.run.spaces)
    if not available:
        st.info(
            "This run holds no embedding, so nothing can be compared. Make one with vibes train or vibes embed."
        )
        return None
    explained = " · ".join(
        f"**{label_of(name)}**: {meaning_of(name)}" for name in in_order({*LABELS, *available})
    )
    offered = {name: label_of(name) for name in available}
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
