"""The spaces, that is, the embeddings that listings are compared by."""

from collections.abc import Iterable

from listing_vibes.insight.map.space_map import LOCATION
from listing_vibes_app.kit.controls import switch
from listing_vibes_app.server.runs import OpenRun

LABELS = {"model": "Model", "photos": "Photos", "attributes": "Attributes", LOCATION: "Street map"}
MEANINGS = {
    "model": "what the trained model has learned from all data",
    "photos": "how the photos look (the vibe)",
    "attributes": "the attributes of the listing",
    LOCATION: "where the listings are, in the groups of the first map",
}


def label_of(space: str) -> str:
    """Return the label of a space; vectors of the market have the name in `market.toml`."""
    return LABELS.get(space, space)


def in_order(spaces: Iterable[str]) -> list[str]:
    """Return the spaces in the order of the switch: those of the run, then those of the market."""
    rank = {name: place for place, name in enumerate(LABELS)}
    return sorted(spaces, key=lambda name: (rank.get(name, len(rank)), name))


def spaces_help(spaces: Iterable[str]) -> str:
    """Return a sentence that says what each space compares by."""
    meanings = {name: MEANINGS.get(name, f"the market's own vectors “{name}”") for name in in_order(spaces)}
    return " · ".join(f"**{label_of(name)}**: {meaning}" for name, meaning in meanings.items())


def space_switch(opened: OpenRun) -> str:
    """Draw a switch of a run's spaces and return the chosen one."""
    spaces = in_order(opened.run.spaces)
    if len(spaces) == 1:
        return spaces[0]
    offered = {name: label_of(name) for name in spaces}
    return switch("Compare by", "space", offered, opened.run.spaces[0], help=spaces_help(spaces))


def missing_spaces(opened: OpenRun) -> list[str]:
    """Return a sentence for each space that the run lacks: the model, and in a market with photos that of the photos."""
    view, spaces = opened.view, opened.run.spaces
    how = "; make one with vibes train." if view.has_events else ": its market has no events to learn from."
    reasons = []
    if "model" not in spaces:
        reasons.append(f"This run has no trained model{how}")
    if "photos" not in spaces and view.has_photos:
        reasons.append("There is no photo space; the run was made without photos.")
    return reasons
