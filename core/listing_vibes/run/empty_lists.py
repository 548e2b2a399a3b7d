"""The explanation of an empty list: why it is empty and what to do, in one sentence."""

from __future__ import annotations

import difflib

from listing_vibes.market.market import Market
from listing_vibes.market.moments import Moment
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.rules import Rules
from listing_vibes.run.where import Comparison, Condition, read_condition

#: At most this many values of a condition and of an attribute are compared, since a request may contain any number.
MOST_REQUESTED, MOST_VALUES = 3, 3000


def explain_empty(
    run: RunFolder, rules: Rules, at: Moment | None, for_users: bool, space: str | None = None
) -> str:
    """Return why a list by `rules` at a moment (None: after the last event) has no listing.

    Args:
        for_users: True for recommendations, False for similar listings.
        space: the space in which similar listings are compared; None for recommendations.
    """
    if space is not None and run.index(space).known.sum() == 1:
        return f"No listing found: no other listing of {run.path} has a vector in the space '{space}'; use another --space, or add listings."
    if (sentence := explain_unmet(run.market, rules)) is not None:
        return f"No listing found: {sentence[0].lower()}{sentence[1:]}"
    rules = rules.resolved(for_users)
    if rules.live_only and not run.catalogue.live(run.moment(at)).any():
        return "No listing found: none is active at that moment; give another one with --at, or set the rule live_only to false."
    seen = ", or set drop_seen to false" if for_users and rules.drop_seen else ""
    return f"No listing found: each one is part of the request or excluded by a rule; remove a rule{seen}."


def explain_unmet(market: Market, rules: Rules) -> str | None:
    """Return a sentence about the first condition that no listing fulfills, with the nearest value; None if each is fulfilled."""
    for text in rules.where:
        condition = read_condition(market, text)
        if not condition.fulfilled(market).any():
            neighbors = _nearest_value(market, condition)
            hint = f"'{neighbors}' is nearest" if neighbors else "change that condition, or leave it out"
            return f"No listing of the market fulfills '{text}'; {hint}."
    return None


def _nearest_value(market: Market, condition: Condition) -> str:
    """Return the value of the market that is most similar to a requested one; "" if none is similar."""
    if not isinstance(condition, Comparison) or condition.attribute.shown_as not in ("category", "multi"):
        return ""
    values = market.column(condition.attribute.name).explode().dropna().astype("str")
    available = {value.casefold(): value for value in values.value_counts().index[:MOST_VALUES]}
    for requested in condition.values[:MOST_REQUESTED]:
        if neighbors := difflib.get_close_matches(str(requested).casefold()[:100], available, 1):
            return available[neighbors[0]]
    return ""
