"""Measures on the screen: names of methods, shares as percentages, intervals, and what the number beside a listing means."""

from math import isnan

import pandas as pd

from listing_vibes.report.text import NAMES
from listing_vibes.run.fits import NOTHING, unasked_fit
from listing_vibes.words import percent
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import MISSING, words

RECALL_HELP = "Of the next listings people touched, how many were in our 30."


def method_name(name: str) -> str:
    """A scorer's name on the screen."""
    return NAMES.get(name, words(name))


def interval(low: float | None, high: float | None) -> str:
    """An interval of shares; "—" where there were too few users for one."""
    return (
        MISSING if low is None or high is None or isnan(low + high) else f"{percent(low)} to {percent(high)}"
    )


def recall_columns(table: pd.DataFrame) -> dict[str, list[str]]:
    """The columns "Recall@30" and "95 % interval" of lines with `value`, `low` and `high`."""
    ends = zip(table["low"], table["high"], strict=True)
    return {"Recall@30": [*map(percent, table["value"])], "95 % interval": [interval(*one) for one in ends]}


_ENDS = "1 is the same direction, 0 is nothing in common"
#: Of two listings.
SIMILAR = f"How alike the two are in this space, the cosine of their vectors: {_ENDS}."
#: Of a list whose rules add to scores.
MOVED = "The similarity and what rules add to it or take from it, in standard deviations: it tells the order and nothing else."
ADDED = "The model's similarity and what serving adds to it, weighed: it tells the order and nothing else."


def user_score_help(opened: OpenRun, beside: str | None = None, moved: bool = False) -> str:
    """Of a listing and a history, as this run's lists score them, or with what serving adds, where `beside` names some, or with
    what rules add, where scores are `moved`."""
    own = unasked_fit(opened.run.manifest.settings) is not None
    if own if beside is None else beside != NOTHING:
        return ADDED
    if moved:
        return MOVED
    weight = opened.run.late_interaction.weight if opened.run.has_model else 0
    if not weight:
        return f"How near the listing lies to the history, the cosine of their vectors: {_ENDS}."
    return (
        "How near the listing lies to the history: the mean of its cosine to the history as a whole and of its greatest "
        f"cosine to one listing of it, weighted {weight:g}; {_ENDS}."
    )
