"""Measures on the screen: names of methods, shares as percentages, intervals."""

from listing_vibes.report.text import NAMES
from listing_vibes.words import percent
from listing_vibes_app.view.formats import MISSING, words

RECALL_HELP = "Of the next listings people touched, how many were in our 30."


def method_name(name: str) -> str:
    """A scorer's name on the screen."""
    return NAMES.get(name, words(name))


def interval(low: float | None, high: float | None) -> str:
    """An interval of shares; "—" where there were too few users for one."""
    return MISSING if low is None or high is None else f"{percent(low)} to {percent(high)}"
