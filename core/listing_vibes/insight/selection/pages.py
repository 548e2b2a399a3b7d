"""What each page of the explorer asks for, from its address: one list, or several beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.days import MarketDays
from listing_vibes.insight.selection.filters import Filters
from listing_vibes.insight.selection.histories import known_events
from listing_vibes.insight.selection.params import read_beside, read_rules, whole
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.run.histories import Event, user_number
from listing_vibes.run.run import Run

Params = Mapping[str, str]
#: Is told what of an address was left out, (name, value) each.
Left = list[tuple[str, str]]
USUAL, MOST = 12, 100  # how long lists are
LOOKS = 24  # listings on a page of those found by a look
SPACES = {"model": "Model", "photos": "Photos", "attributes": "Attributes"}
SIDES = {"h": "History A", "h2": "History B"}


def similar(run: Run, params: Params, left: Left | None = None) -> list[Selection]:
    """Similar listings: by one space, or by each side by side; without a listing, those found by a look."""
    if "listing" not in params:
        if params.get("by") == "look" and params.get("q", "").strip():
            return [search(run, params, left)]
        raise VibesError("The link names no listing; choose one on the page first.")
    listing, market = params["listing"], run.market
    filters, row = Filters.read(market, params, left), market.listing_row.get(listing)
    rules = filters.rules(market, row, read_rules(market, params, False, left))
    chosen, place = space(run, params, left), run.row(listing)
    spaces = [name for name in run.spaces if np.any(run.vectors(name)[place])]
    k = whole(params, "k", USUAL, 1, MOST)
    return [
        Selection("similar", listing, k, SPACES.get(name, name), name, rules=rules)
        for name in (spaces if params.get("view") == "spaces" else [chosen])
    ]


def search(run: Run, params: Params, left: Left | None = None) -> Selection:
    """The listings found by a search, up to the page that is shown."""
    filters = Filters.read(run.market, params, left)
    rules = filters.rules(run.market, None, read_rules(run.market, {}, users=False))
    k = LOOKS * whole(params, "page", 1, 1, 10_000)
    return Selection("search", params.get("q", "").strip(), k, rules=rules)


def cold(run: Run, params: Params, left: Left | None = None) -> list[Selection]:
    """The listings nearest to a cold one."""
    if "listing" not in params:
        raise VibesError("The link names no listing; choose one on the page first.")
    run.row(params["listing"])
    return [Selection("similar", params["listing"], USUAL, space=space(run, params, left))]


def users(run: Run, params: Params, left: Left | None = None) -> list[Selection]:
    """What a user is recommended as of an event of their history, or as of the morning of a day."""
    if "user" not in params:
        raise VibesError("The link names no user; choose one on the page first.")
    k, number = whole(params, "k", USUAL, 1, MOST), user_number(run, params["user"])
    asked, at, history = as_of(run, number, known_here(run, number, params))
    days = MarketDays.of(run.log, run.catalogue) if "day" in params else None
    day = None if days is None else days.number(params["day"])
    if days is not None and day is not None:
        asked, at, history = run.log.users[number], days.date(day), ()
    rules = read_rules(run.market, params, True, left)
    return [
        Selection(
            "recommend", asked, k, at=at, history=history, rules=rules, beside=read_beside(run, params, left)
        )
    ]


def simulate(run: Run, params: Params, left: Left | None = None) -> list[Selection]:
    """What histories made by hand are recommended."""
    names = list(SIDES) if params.get("two") == "1" else ["h"]
    found = []
    for name in names:
        events = tuple(event for _, event in known_events(run, params.get(name, "")))
        if events:
            rules, beside = read_rules(run.market, params, True, left), read_beside(run, params, left)
            label = SIDES[name] if len(names) > 1 else ""
            k = whole(params, "k", USUAL, 1, MOST)
            found.append(Selection("recommend", "", k, label, history=events, rules=rules, beside=beside))
    if not found:
        raise VibesError("The link has no history; add a listing on the page first.")
    return found


def compare(run: Run, params: Params, left: Left | None = None) -> list[Selection]:
    """The list of one of two runs that stand side by side."""
    if params.get("part") == "runs" and params.get("of", "listing") == "user" and params.get("user"):
        number = user_number(run, params["user"])
        asked, at, history = as_of(run, number, known_here(run, number, params))
        return [Selection("recommend", asked, USUAL, at=at, history=history)]
    if params.get("part") == "runs" and "listing" in params:
        run.row(params["listing"])
        return [Selection("similar", params["listing"], USUAL, space=space(run, params, left))]
    raise VibesError("The link shows no list of a run; choose a listing or a user under “Two runs” first.")


#: The pages with lists, by their names in an address.
PAGES: dict[str, Callable[[Run, Params, Left | None], list[Selection]]] = {
    "similar": similar,
    "users": users,
    "simulate": simulate,
    "cold": cold,
    "compare": compare,
}


def space(run: Run, params: Params, left: Left | None = None) -> str:
    """The space that an address compares by: the run's first, where it says none that the run has.

    Raises:
        VibesError: the run has none at all.
    """
    if not run.spaces:
        raise VibesError(f"{run.path} holds no embedding; make one with `vibes train` or `vibes embed`.")
    chosen = params.get("space", "")
    if left is not None and chosen and chosen not in run.spaces:
        left.append(("space", chosen))
    return chosen if chosen in run.spaces else run.spaces[0]


def known_here(run: Run, user: int, params: Params) -> int:
    """How many events of a user's history an address lets the recommender know; by default four fifths."""
    total = int(run.log.start[user + 1] - run.log.start[user])
    return whole(params, "at", max(1, total - max(1, total // 5)), 1, total)


def as_of(run: Run, user: int, at: int) -> tuple[str, str | int | None, tuple[Event, ...]]:
    """(user, moment, history) that ask as of the first `at` events of a user: by the user's name and the moment of the event
    after them, or, where that moment does not tell these events from others, by the events themselves."""
    log = run.log
    start, end = int(log.start[user]), int(log.start[user + 1])
    moment: str | int | None = None
    if start + at < end:
        time = int(log.time[start + at])
        moment = pd.Timestamp(time, unit="ns").isoformat() if log.timed else time
        if log.history_at(user, time) != (start, start + at):
            return "", moment, _events(run, start, start + at)
    return log.users[user], moment, ()


def _events(run: Run, start: int, end: int) -> tuple[Event, ...]:
    log, ids = run.log, run.market.listings["listing_id"]
    return tuple(
        Event(
            str(ids.iat[int(log.listing[row])]),
            log.actions[log.action[row]] if log.action[row] >= 0 else None,
            float(log.duration[row]) if np.isfinite(log.duration[row]) else None,
        )
        for row in range(start, end)
    )
