"""A list without a listing: why, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from listing_vibes.market.moments import Moment
from listing_vibes.run.empty_lists import explain_unmet
from listing_vibes.run.rules import Rules
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.list_options import clear_rules
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import moment as said


def nothing_listed(
    opened: OpenRun,
    at: Moment | None,
    rules: Rules,
    why: str,
    action: str = "",
    on_click: Callable[..., Any] | None = None,
    name: str = "",
) -> None:
    """Say why there is nothing to recommend.

    Args:
        at: the moment of the list; None: after the last event.
        why: the reason, where some listing is live at that moment, with its `action`; where there are rules, that is to take
            them away.
        name: of the list, where a page has several.
    """
    time = opened.run.moment(at)
    catalogue = opened.run.catalogue
    if rules.live_only is False or bool(catalogue.live(time).any()):
        if rules != Rules():
            action, on_click = "No rules", lambda: clear_rules(users=True)
        key = f"nothing-recommended{name}"
        why = explain_unmet(opened.run.market, rules) or why
        empty("There is nothing to recommend", why, action=action, on_click=on_click, key=key)
        return
    when, ended = f" on {said(time)}", catalogue.until[catalogue.until <= time]
    last = f"; the last of them ended on {said(int(ended.max()))}" if len(ended) else ""
    empty(
        "No listing is live at that moment",
        f"Recommendations are of listings that are live{when if opened.view.log.timed else ''}, and there is none{last}. "
        "Where the market goes on, its table of listings is older than its events.",
        action="Also listings no longer live",
        on_click=lambda: set_params(live=0),
        key=f"also-ended{name}",
    )
