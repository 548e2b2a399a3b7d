"""Why a list is empty, and what to do about it, in one sentence."""

from __future__ import annotations

import difflib

from listing_vibes.market.market import Market
from listing_vibes.market.moments import Moment
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.rules import Rules
from listing_vibes.run.where import Condition, read_condition

#: Of so many values asked for, the nearest of so many is looked for: whoever asks a service decides how many are asked for.
ASKED, MOST_VALUES = 3, 3000


def nothing_found(
    run: RunFolder, rules: Rules, at: Moment | None, for_users: bool, space: str | None = None
) -> str:
    """Of a list by `rules` at a moment (None: after the last event).

    Args:
        for_users: of recommendations; else of what is similar or looks so.
        space: the one that similar listings were asked of; None: the list is none of these.
    """
    if len(run.listing_ids) == 1 and (space is not None or for_users):
        return (
            f"No listing found: the market of {run.path} has one listing, and there is no other to show beside it; add listings to "
            "its table, and embed the run again (`vibes embed MARKET RUN`)."
        )
    if space is not None and run.index(space).known.sum() == 1:
        others = " or ".join(f"--space {one}" for one in run.spaces if one != space)
        mend = f"ask by {others}" if others else "give the listings more to tell, and embed the run again"
        return f"No listing found: no other one has anything in the space '{space}'; {mend}."
    if (unmet := never_met(run.market, rules)) is not None:
        return f"No listing found: {unmet[0].lower()}{unmet[1:]}"
    rules = rules.decided(for_users)
    if rules.live_only and not run.catalogue.live(run.moment(at)).any():
        return "No listing found: none is live at that moment; give another one with --at, or add --not-only-live."
    if for_users:
        seen = ", or add --keep-seen" if rules.drop_seen else ""
        live = "that is live " if rules.live_only else ""
        return (
            f"No listing found: each one {live}is kept out by a rule or in the history already; take a rule away"
            f"{seen}."
        )
    return "No listing found: no other one passes the rules; take one away."


def never_met(market: Market, rules: Rules) -> str | None:
    """A sentence about the first condition that no listing of the market fulfils, with the value that is nearest to what was asked
    for; None where each is fulfilled by some."""
    for text in rules.where:
        condition = read_condition(market, text)
        if not condition.fulfilled(market).any():
            near = _nearest(market, condition) if isinstance(condition, Condition) else ""
            mend = f"'{near}' is nearest" if near else "change that condition, or leave it out"
            return f"No listing of the market fulfils '{text}'; {mend}."
    return None


def _nearest(market: Market, condition: Condition) -> str:
    """The value of some listing that is most like one that was asked for, "" where none is like it."""
    item = condition.attribute
    if item.shown_as not in ("category", "multi"):
        return ""
    values = market.column(item.name).explode().dropna().astype("str").value_counts().index[:MOST_VALUES]
    known = {value.casefold(): value for value in values}
    for asked in list(condition.values)[:ASKED]:
        if near := difflib.get_close_matches(str(asked).casefold()[:100], known, 1):
            return known[near[0]]
    return ""
