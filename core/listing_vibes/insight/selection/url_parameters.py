"""Parameters of a list in a URL: its rules, its length, its blend, the filters of a page on listings (a price band, values, the same as
another listing, near it, active on a day), and histories made by hand.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import numpy as np
from pydantic import TypeAdapter, ValidationError

from listing_vibes.cache import cached_per_object
from listing_vibes.errors import VibesError
from listing_vibes.market.amounts import price
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.blends import NO_BLEND
from listing_vibes.run.conditions import Groups, fulfilling, holding
from listing_vibes.run.histories import Event
from listing_vibes.run.rules import Rules, declared
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_metrics import blend_parts

WIDEST = 9  # tenths of the weight of variety
DEFAULT = "trained"  # in a URL, the default blend of the run
_SEPARATORS = re.compile("[%|:,]")
_WHOLE = re.compile(r"-?[0-9]{1,11}")
T = TypeVar("T")
FILTER_PARAMETERS = ("price", "is", "same", "km", "on")  # the parameters
VALUES = 60  # an attribute with more values is searched, not filtered
CHOICES = 6  # attributes offered
YEARS = range(1700, 2200)  # of moments that can be counted in nanoseconds
MOST_EVENTS = 50  # events; a model reads no more of a history
#: Rules whose parameter is not their value as text.
READ_HERE = {"live_only", "drop_seen", "same", "at_most", "seller", "diversity", "fill"}
EVENT, PART = ",", "*"  # between events, and between the parts of one; both are escaped within a part


class Params(dict[str, str]):
    """The parameters of a URL; those that are read and invalid are added to `unused`, as (name, value)."""

    def __init__(self, values: Mapping[str, str], unused: list[tuple[str, str]] | None = None) -> None:
        super().__init__(values)
        self.unused = [] if unused is None else unused

    def read(self, name: str, parse: Callable[[str], T | None]) -> T | None:
        """Return a parameter as `parse` reads it; None if it is missing, or if `parse` returns None because it is invalid."""
        text = self.get(name, "")
        value = parse(text) if text else None
        if text and value is None:
            self.unused.append((name, text))
        return value

    def choice(self, name: str, known: Collection[str], default: str = "") -> str:
        """Return a parameter that must be one of `known`; the default if it is missing or invalid."""
        return self.read(name, lambda text: text if text == default or text in known else None) or default

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Return a parameter that must be a whole number, clipped to `low` and `high`."""
        value = self.read(name, lambda text: int(text) if _WHOLE.fullmatch(text) else None)
        return max(low, min(high, default if value is None else value))

    def names(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """Return the valid names of a parameter with commas."""
        parts = [part for part in self.get(name, "").split(",") if part]
        self.unused += [(name, part) for part in parts if unquote(part) not in known]
        return tuple(unquote(part) for part in parts if unquote(part) in known)


def escaped(text: str) -> str:
    """Return a name or a value for a URL that holds several, which `unquote` reads; only separators are changed.

    >>> escaped("bed,size"), escaped("Shared room")
    ('bed%2Csize', 'Shared room')
    """
    return _SEPARATORS.sub(lambda mark: quote(mark[0], safe=""), text)


def groupings(market: Market) -> list[Attribute]:
    """Return the attributes by which listings can be grouped."""
    return [
        item
        for item in market.attributes
        if item.shown_as in ("category", "flag") and item.name != market.title
    ]


def read_rules(market: Market, params: Params, users: bool) -> Rules:
    """Read the rules of a URL; conditions are checked when the list is made.

    In a list for `users` listings are active and unseen by default.
    """
    names = {item.name for item in groupings(market)}
    seller, most = params.choice("per", names) or None, params.number("most", 2, 1, 99)
    live, seen, fill = (params.choice(name, ("0", "1")) for name in ("live", "seen", "fill"))
    others = {
        rule.field: value
        for rule in declared(Rules)
        if rule.field not in READ_HERE
        and (value := params.read(rule.parameter, partial(_read_rule, rule.field))) is not None
    }
    return Rules(
        live_only=live == "1" if live else None,
        drop_seen=False if users and seen == "1" else None,
        same=params.names("same", names) if users else (),  # else a filter
        at_most=most if seller else None,
        seller=seller,
        diversity=params.number("variety", 0, 0, WIDEST) / 10,
        fill=fill == "1",
        **others,
    )


def _read_rule(field: str, text: str) -> Any:
    """Return the value of a rule as its declaration in `Rules` reads a text, of several texts between semicolons; None if it is invalid."""
    info = Rules.model_fields[field]
    if isinstance(info.default, tuple):
        return tuple(part.strip() for part in text.split(";") if part.strip())
    try:
        return TypeAdapter(info.rebuild_annotation()).validate_python(text)
    except ValidationError:
        return None


def default_blend(run: Run) -> BlendWeights | None:
    """Return the default blend of a run; None: the model only."""
    return run.manifest.settings.blend if run.has_model else None


def fitted_blends(run: Run) -> list[str]:
    """Return the blends that `vibes evaluate` fitted and that differ from the default one, by their names in `Run.recommend`."""
    default = default_blend(run)
    names = [blend_parts(fit.name) for fit in run.fitted_blends]
    return [name for name in names if default is None or name != default.parts]


def read_blend(run: Run, params: Params) -> str | None:
    """Read the blend of a URL, as `Run.recommend` takes it."""
    initial = NO_BLEND if default_blend(run) is None else DEFAULT
    blend = params.choice("with", (NO_BLEND, initial, *fitted_blends(run)), initial)
    return None if blend == initial else blend


@dataclass(frozen=True)
class Filters:
    """Filters of listings; an empty one passes all."""

    low: float | None = None
    high: float | None = None
    values: tuple[tuple[str, str], ...] = ()  # attribute, value
    same: tuple[str, ...] = ()  # attributes that must equal those of the reference listing
    km: float | None = None  # maximum distance from the reference listing
    on: dt.date | None = None

    @classmethod
    def read(cls, market: Market, params: Params) -> Filters:
        """Read the filters of a URL; those that are invalid are added to `Params.unused`."""
        km = params.read("km", lambda text: _read_number(text) if has_place(market) else None)
        on = params.read("on", lambda text: _read_day(text) if has_dates(market) else None)
        ends = params.get("price", "").partition("-")[::2]
        low, high = (_read_number(end) if price(market) else None for end in ends)
        if any(text and value is None for text, value in zip(ends, (low, high), strict=True)):
            params.unused.append(("price", params["price"]))
        existing, values = {item.name for item in choices(market)}, []
        for part in filter(None, params.get("is", "").split("|")):
            name, value = map(unquote, part.partition(":")[::2])
            if name in existing and _is_condition(market, holding(name, value)):
                values.append((name, value))
            else:
                params.unused.append(("is", part))
        return cls(low, high, tuple(values), params.names("same", existing), km, on)

    def params(self) -> dict[str, str | None]:
        """Return the filters as parameters of a URL."""
        band = f"{_write_number(self.low)}-{_write_number(self.high)}"
        return {
            "price": band if band != "-" else None,
            "is": "|".join(":".join(map(escaped, pair)) for pair in self.values) or None,
            "same": ",".join(map(escaped, self.same)) or None,
            "km": _write_number(self.km) or None,
            "on": self.on.isoformat() if self.on else None,
        }

    def rules(self, market: Market, listing: int | None, rules: Rules) -> Rules:
        """Return `rules` with these filters; `listing` is the row of the reference listing, None without one."""
        where, money = list(rules.where), price(market)
        for end, sign in ((self.low, ">="), (self.high, "<=")):
            if money is not None and end is not None:
                where.append(f"{money.name}{sign}{_write_number(end).replace('.', money.decimal or '.')}")
        where += [holding(name, value) for name, value in self.values]
        if self.km is not None and listing is not None:
            location = [float(market.listings[name].iat[listing]) for name in (C.LATITUDE, C.LONGITUDE)]
            if np.isfinite(location).all():
                where.append(f"within {_write_number(self.km)}km of {','.join(map(_write_number, location))}")
        if self.on is not None:
            where.append(f"live on {self.on.isoformat()}")
        same = rules.same if listing is None else (*rules.same, *self.same)
        return rules.model_copy(update={"where": tuple(where), "same": same})

    def mask(self, market: Market, listing: int | None = None) -> np.ndarray:
        """Return which listings pass, (L,) bool."""
        groups = Groups.of(self.rules(market, listing, Rules()), market)
        passes = np.ones(len(market.listings), bool) if groups.fulfilling is None else groups.fulfilling
        if groups.region is not None and listing is not None:
            passes = passes & (groups.region == groups.region[listing])
        return passes


@cached_per_object
def choices(market: Market) -> tuple[Attribute, ...]:
    """Return the attributes that can be filtered by value: few values, and more than one of them."""
    results = [
        item
        for item in market.attributes
        if item.shown_as in ("category", "flag")
        and item.name != market.title
        and 2 <= market.listings[item.name].nunique() <= VALUES
    ]
    return tuple(sorted(results, key=lambda item: item.shown_as == "flag")[:CHOICES])


def values(market: Market, item: Attribute) -> tuple[str, ...]:
    """Return the distinct values of an attribute of `choices`, in order, as conditions write them."""
    available = market.listings[item.name].dropna().drop_duplicates().tolist()
    if item.shown_as == "flag":
        return tuple("Yes" if value else "No" for value in sorted(available, reverse=True))
    return tuple(sorted(map(str, available)))


def has_place(market: Market) -> bool:
    """Return whether listings have coordinates."""
    return any(item.shown_as == "place" for item in market.attributes)


def has_dates(market: Market) -> bool:
    """Return whether the market has dates of when listings are active."""
    return bool({C.PUBLISHED, C.EXPIRES} & set(market.listings.columns))


def _is_condition(market: Market, condition: str) -> bool:
    try:
        fulfilling(market, condition)
    except VibesError:
        return False
    return True


def _read_day(text: str) -> dt.date | None:
    with suppress(ValueError):
        day = dt.date.fromisoformat(text)
        return day if day.year in YEARS else None
    return None


def _read_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) and value >= 0 else None


def _write_number(value: float | None) -> str:
    """Return a number without an exponent."""
    return "" if value is None else np.format_float_positional(value, trim="-")


def token(event: Event) -> str:
    """Return an event as a part of a URL; an unknown action or duration is empty."""
    seconds = "" if event.duration_s is None else f"{event.duration_s:g}"
    parts = (quote(event.listing, safe=""), quote(event.action or "", safe=""), seconds)
    return PART.join(parts).rstrip(PART)


def parse(text: str) -> Event:
    """Return the event of a part of a URL; a duration that is not a number of seconds is left out."""
    listing, action, seconds, *_ = *text.split(PART), "", ""
    try:
        value = float(seconds)
    except ValueError:
        value = -1.0
    return Event(unquote(listing), unquote(action) or None, value if 0 <= value < 1e9 else None)


def as_text(events: Iterable[Event]) -> str:
    """Return events as text for a URL, at most the newest `MOST_EVENTS`."""
    return EVENT.join([token(event) for event in events][-MOST_EVENTS:])


def known_events(run: Run, text: str) -> list[tuple[int, Event]]:
    """Return (position, event) of a URL's events on listings that run and market have; an unknown action is left out."""
    actions = set(run.market.valid_actions)
    return [
        (position, event if event.action in actions else event._replace(action=None))
        for position, event in enumerate(map(parse, text.split(EVENT)[:MOST_EVENTS] if text else []))
        if event.listing in run.listing_row
    ]


def as_rows(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return events as mappings without unknown parts, oldest first."""
    names = (C.LISTING, C.ACTION, C.DURATION)
    return [
        {name: cell for name, cell in zip(names, event, strict=True) if cell not in (None, "")}
        for event in events
    ]


def document(events: Sequence[Event]) -> str:
    """Return a history as the JSON that `vibes recommend --history FILE` reads."""
    return json.dumps({"history": as_rows(events)}, ensure_ascii=False, indent=1)
