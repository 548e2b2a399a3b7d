"""The definition of a list, with its rows and the equivalent Python code; and the lists of a page of the explorer by its URL: one, or
several side by side.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pprint import pformat
from textwrap import indent
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pandas as pd

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError, printable
from listing_vibes.insight.days import market_days
from listing_vibes.insight.map.parts import chosen_by
from listing_vibes.insight.map.space_map import map_of
from listing_vibes.insight.photo_search import search_photos
from listing_vibes.insight.selection.url_parameters import (
    Filters,
    Params,
    as_rows,
    known_events,
    read_blend,
    read_rules,
)
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.histories import Event, events_at, user_number
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.words import cut

Kind = Literal["similar", "recommend", "search"]
HISTORY_FILE = "history.json"
WIDTH = 96  # line length of Python code
USUAL, LONGEST = K, 100  # how long lists are
LOOKS = 24  # listings on a page of those found by a search of photos
SPACES = {"model": "Model", "photos": "Photos", "attributes": "Attributes"}
SIDES = {"h": "History A", "h2": "History B"}


@dataclass(frozen=True)
class Selection:
    """The definition of a list."""

    kind: Kind  # its function: `Run.similar`, `Run.recommend` or `listing_vibes.search_photos`
    query: str  # the listing, the user, or the words; empty if there is a `history`
    k: int  # number of listings
    label: str = ""  # label of the list on its page
    space: str | None = None  # the space of similar listings
    at: str | int | None = None  # UTC, or a position where events have no times; None: after the last event
    history: tuple[Event, ...] = ()
    rules: Rules = field(default_factory=Rules)
    blend: str | None = None  # see `Run.recommend`

    def frame(self, run: Run) -> pd.DataFrame:
        """Return the rows, best first: `listing_id, score` and more, the result of the call in `python`."""
        name, query, options = self._call()
        if name == "search":
            return search_photos(run, query, **options)
        result: pd.DataFrame = getattr(run, name)(query, **options)
        return result

    def table(self, run: Run) -> pd.DataFrame:
        """Return the rows with all attributes of their listings, for a file.

        Raises:
            VibesError: see `frame`.
        """
        result, market = self.frame(run), run.market
        listings = market.listings.set_index(C.LISTING).reindex(result[C.LISTING]).reset_index(drop=True)
        more = [name for name in listings if name not in result and name != market.title]
        return pd.concat([result.reset_index(drop=True), listings[more]], axis=1)

    def python(self, run: str) -> str:
        """Return Python code that assigns these rows to `result`; `run` is the run's folder."""
        name, query, options = self._call()
        arguments = [_literal(query), *(f"{key}={_literal(value)}" for key, value in options.items())]
        names, call = "Run", f"run.{name}"
        if name == "search":
            names, call, arguments = "Run, search_photos", "search_photos", ["run", *arguments]
        line = f"result = {call}({', '.join(arguments)})"
        if len(line) > WIDTH or "\n" in line:
            lines = "".join(f"{argument},\n" for argument in arguments)
            line = f"result = {call}(\n{indent(lines, '    ')})"
        return f"from listing_vibes import {names}\n\nrun = Run.open({json.dumps(run, ensure_ascii=False)})\n{line}"

    def _call(self) -> tuple[str, Any, dict[str, Any]]:
        """Return the name of the call, its query, and its options."""
        request: Any = as_rows(self.history) if self.history else self.query
        options: dict[str, Any] = {"k": self.k}
        if self.space:
            options["space"] = self.space
        if self.at is not None:
            options["at"] = self.at
        if rules := written(self.rules):
            options["rules"] = rules
        if self.blend:
            options["blend"] = self.blend
        return self.kind, request, options


def written(rules: Rules) -> dict[str, Any]:
    """Return the rules that differ from the defaults, except for the length of the list."""
    changed = rules.model_dump(exclude_defaults=True, by_alias=True, exclude={"k"})
    return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return pformat(value, width=WIDTH - 8, sort_dicts=False)


def selection(run: Run, url: str) -> pd.DataFrame:
    """Return the rows that a page of the explorer shows at a URL, such as a shared link opened in a notebook.

    >>> result = selection(run, "http://127.0.0.1:8501/similar?listing=home-0003&k=6&space=attributes")
    >>> result["listing_id"].tolist() == run.similar("home-0003", 6, space="attributes")["listing_id"].tolist()
    True

    Args:
        run: the run that the link was made on; its URL does not say where that is.
        url: of the pages Similar, Users, Simulate, Vibe map, Launch a listing or Compare (there the list of `run`), complete or from `/` on.

    Returns:
        The rows of `Run.similar`, `Run.recommend` or `listing_vibes.search_photos`; several lists are concatenated, with their labels
        in a first column `list`.

    Raises:
        VibesError: the URL is not of such a page, names an unknown listing or user, or has a filter or a rule that is unknown
            or cannot be read.
    """
    name, params = page_of(url)
    if name == "map":
        drawn = map_of(run, params.get("space"))
        return drawn.frame(chosen_by(drawn, params))
    lists = selections(run, url)
    if len(lists) == 1:
        return lists[0].frame(run)
    frames = [item.frame(run) for item in lists]
    for item, frame in zip(lists, frames, strict=True):
        frame.insert(0, "list", item.label)
    return pd.concat(frames, ignore_index=True)


def selections(run: Run, url: str) -> list[Selection]:
    """Return the lists of the page at a URL."""
    name, params = page_of(url)
    if name not in PAGES:
        raise VibesError(
            f"The link '{url[:80]}' is of no page that shows a list; give one of {', '.join(PAGES)}, such as "
            "'/similar?listing=ID'."
        )
    lists = PAGES[name](run, params)
    if unused := params.unused:
        parts = (f"“{printable(key)}={cut(printable(value), 60)}”" for key, value in dict.fromkeys(unused))
        raise VibesError(
            f"The link asks for {' and '.join(parts)}, which {run.path} does not have; take it out of the link, or "
            "open the run that the link was made on."
        )
    return lists


def page_of(url: str) -> tuple[str, Params]:
    """Return the page of a URL ("" the first), and its parameters.

    Raises:
        VibesError: it is not a URL.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError as error:  # such as `//[x`, a host that does not end
        raise VibesError(
            f"The link '{url[:80]}' is not a URL ({error}); copy it from the explorer again."
        ) from error
    return parts.path.rstrip("/").rpartition("/")[2], Params(dict(parse_qsl(parts.query)))


def similar(run: Run, params: Params) -> list[Selection]:
    """Similar listings: in one space, or in each side by side; without a listing, those found by a search of photos."""
    if params.get("by") == "look" and params.get("q", "").strip() and "listing" not in params:
        return [search(run, params)]
    listing, market = _required(params, "listing"), run.market
    row = run.row(listing)
    filters = Filters.read(market, params)
    rules = filters.rules(market, market.listing_row.get(listing), read_rules(market, params, False))
    spaces, k = [space(run, params)], params.number("k", USUAL, 1, LONGEST)
    if params.get("view") == "spaces":
        spaces = [name for name in run.spaces if np.any(run.vectors(name)[row])]
    return [Selection("similar", listing, k, SPACES.get(name, name), name, rules=rules) for name in spaces]


def search(run: Run, params: Params) -> Selection:
    """The listings found by a search of photos, up to the page that is shown."""
    filters = Filters.read(run.market, params)
    rules = filters.rules(run.market, None, Rules())
    return Selection(
        "search", params.get("q", "").strip(), LOOKS * params.number("page", 1, 1, 10_000), rules=rules
    )


def cold(run: Run, params: Params) -> list[Selection]:
    """The listings nearest to a cold one."""
    listing = _required(params, "listing")
    run.row(listing)
    return [Selection("similar", listing, USUAL, space=space(run, params))]


def users(run: Run, params: Params) -> list[Selection]:
    """What a user is recommended as of an event of their history, or as of the morning of a day."""
    number = user_number(run, _required(params, "user"))
    user, at, history = as_of(run, number, visible_events(run, number, params))
    days = market_days(run) if "day" in params else None
    day = params.read("day", lambda text: None if days is None else days.number(text))
    if days is not None and day is not None:
        user, at, history = run.log.users[number], days.date(day), ()
    return [_recommended(run, params, user, at=at, history=history)]


def simulate(run: Run, params: Params) -> list[Selection]:
    """What histories made by hand are recommended."""
    has_two = params.get("two") == "1"
    histories = {
        name: tuple(event for _, event in known_events(run, params.get(name, "")))
        for name in (SIDES if has_two else ("h",))
    }
    if not any(histories.values()):
        raise VibesError("The link has no history; add a listing on the page first.")
    return [
        _recommended(run, params, "", label=SIDES[name] if has_two else "", history=history)
        for name, history in histories.items()
        if history
    ]


def compare(run: Run, params: Params) -> list[Selection]:
    """The list of one of two runs that stand side by side, for an example until a listing or a user is chosen."""
    if params.get("part") != "runs":
        raise VibesError("The link shows no list of a run; choose “Two runs” first.")
    if params.get("of") == "user":
        number = user_number(run, params.get("user") or example_user(run))
        user, at, history = as_of(run, number, visible_events(run, number, params))
        return [Selection("recommend", user, USUAL, at=at, history=history)]
    listing = params.get("listing") or example_listing(run)
    return cold(run, Params(params | {"listing": listing}, params.unused))


def example_listing(run: Run) -> str:
    """Return the listing that a page shows until one is chosen, the first of `example_rows`."""
    return run.listing_ids[int(example_rows(run)[0])]


def example_rows(run: Run) -> np.ndarray:
    """Return the rows (L,) of the listings from the best example on: active, with a photo, with the most values."""
    listings = run.market.listings
    values = listings.notna().sum(axis=1).to_numpy()
    pictured = listings[C.LISTING].isin(run.market.cover).to_numpy()
    active = run.catalogue.live(run.after_last_event)
    any_order = np.random.default_rng(0).permutation(len(listings))
    return np.lexsort((any_order, -values, ~pictured, ~active))


def example_user(run: Run) -> str:
    """Return the user that a page shows until one is chosen: of those with at least two events, one with a median number of them.

    Raises:
        VibesError: the market has no users.
    """
    length = np.diff(run.log.start)
    if not len(length):
        raise VibesError("This market has no users; choose a listing.")
    usual = np.median(length[length > 1]) if (length > 1).any() else 1
    return run.log.users[int(np.abs(length - usual).argmin())]


#: The pages with lists, by their names in a URL.
PAGES: dict[str, Callable[[Run, Params], list[Selection]]] = {
    "similar": similar,
    "users": users,
    "simulate": simulate,
    "cold": cold,
    "compare": compare,
}


def _required(params: Params, name: str) -> str:
    if name not in params:
        raise VibesError(f"The link names no {name}; choose one on the page first.")
    return params[name]


def _recommended(
    run: Run,
    params: Params,
    user: str,
    label: str = "",
    at: str | int | None = None,
    history: tuple[Event, ...] = (),
) -> Selection:
    rules, blend = read_rules(run.market, params, True), read_blend(run, params)
    k = params.number("k", USUAL, 1, LONGEST)
    return Selection("recommend", user, k, label, at=at, history=history, rules=rules, blend=blend)


def space(run: Run, params: Params) -> str:
    """Return the space of a URL: the run's first, where it names none that the run has."""
    return params.choice("space", run.spaces, run.spaces[0])


def visible_events(run: Run, user: int, params: Params) -> int:
    """Return how many events of a user's history the recommender knows by a URL; by default four fifths."""
    total = int(run.log.start[user + 1] - run.log.start[user])
    return params.number("at", max(1, total - max(1, total // 5)), 1, total)


def as_of(run: Run, user: int, at: int) -> tuple[str, str | int | None, tuple[Event, ...]]:
    """Return (user, moment, history) for a list as of the first `at` events of a user.

    That is the user's id and the moment of the event after them; where other events have that moment as well, the events
    themselves instead of the id.
    """
    log = run.log
    start, end = int(log.start[user]), int(log.start[user + 1])
    if start + at >= end:
        return log.users[user], None, ()
    time = int(log.time[start + at])
    moment = pd.Timestamp(time, unit="ns").isoformat() if log.timed else time
    if log.history_at(user, time) == (start, start + at):
        return log.users[user], moment, ()
    return "", moment, tuple(events_at(run, np.arange(start, start + at)))
