"""Changes of scores by rules: boosts that decay, style directions (the rule `dial`), and the similarity to unwanted listings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import numpy as np

from listing_vibes.cache import Cache
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.values import id_text
from listing_vibes.request_errors import RequestError
from listing_vibes.run.conditions import (
    KILOMETERS,
    LOCATION,
    NUMBER,
    SIGN,
    fulfilling,
    measure_distance,
    read_location,
)
from listing_vibes.run.rules import Rules
from listing_vibes.run.scorers import MOMENTS
from listing_vibes.scoring.deviations import UNLIKE_WEIGHT, likeness

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

BOOST = re.compile(
    rf"\s*(?:fresh\s+(?P<new>{NUMBER})\s+(?P<age>{NUMBER})\s*(?P<clock>[dh])"
    rf"|near\s+(?P<location>{LOCATION})\s+(?P<close>{NUMBER})\s+(?P<way>{NUMBER})\s*(?P<unit>km|m))\s*"
)
NANOSECONDS = {"d": 86_400e9, "h": 3_600e9}
SIDE, WEIGHT = re.compile(r"[+-]\S+"), re.compile(f"-?{NUMBER}")
#: The largest weight of a boost or a dial.
MOST_WEIGHT = 10.0
#: Shrinkage of the covariance of a space toward a multiple of the identity: 1 leaves the difference of the two means. In the
#: model's space a few directions have most of the variance (the price, the district), and 0.5 recovers a planted style
#: best; photos have more dimensions than listings. See
#: `assets/docs/research.md`.
SHRUNK = {"model": 0.5, "photos": 1.0, "attributes": 1.0}
FARTHEST = 4.0  # standard deviations


class RuleGains:
    """Compute the changes of scores by one set of rules in one space of a run.

    Args:
        unlike: (n,) int64 rows of the listings of `rules.unlike`.
    """

    def __init__(self, run: Run, space: str, rules: Rules, unlike: np.ndarray) -> None:
        self.run, self.space, self._unlike = run, space, unlike
        self._boosts = [read_boost(run.market, text) for text in rules.boost]
        # Resolved now: lists are made in batches, which one unknown listing must not fail.
        self._dials = [dial.resolve(run) for text in rules.dial if (dial := read_dial(text)).weight]
        self._gains: Cache[int | None, np.ndarray] = Cache(MOMENTS)

    @property
    def any(self) -> bool:
        """Whether the rules change any scores."""
        return bool(self._boosts or self._dials or len(self._unlike))

    def gain(self, at: int | None) -> np.ndarray:
        """Return the gains (L,) float32 of all boosts and dials at a moment, minus the losses by unlike listings."""
        when = self.run.counted_at(at) if self._boosts and at is not None else None

        def make() -> np.ndarray:
            gains = [boost.gain(self.run.market, when) for boost in self._boosts if when is not None]
            return np.asarray(np.sum([*gains, *self._lasting], axis=0, dtype=np.float32))

        return self._gains.get(when, make)

    @cached_property
    def _lasting(self) -> list[np.ndarray]:
        """Return the gains (L,) of unlike listings and of each dial, which are the same at every moment."""
        gains = [dial.weight * position(self.run, dial) for dial in self._dials]
        if len(self._unlike):
            gains.insert(0, -UNLIKE_WEIGHT * likeness(self.run.vectors(self.space), self._unlike))
        return gains


@dataclass(frozen=True)
class Boost:
    """A gain of `weight` that halves every `half` of age (nanoseconds) or, with a `location` (degrees), of distance (km); or that
    of the listings which fulfill a condition, (L,) bool.
    """

    weight: float
    half: float = 0.0
    location: tuple[float, float] | None = None
    fulfilled: np.ndarray | None = field(default=None, compare=False)

    def gain(self, market: Market, at: int) -> np.ndarray:
        """Return (L,) float32 from 0 to `weight` at a moment; 0 without a publication date or a location."""
        if self.fulfilled is not None:
            return (self.weight * self.fulfilled).astype(np.float32)
        if self.location is None:
            since, _ = market.live_interval()
            away = np.maximum(at - since.astype(np.float64), 0)
        else:
            away = np.nan_to_num(measure_distance(market, self.location), nan=np.inf)
        return (self.weight * np.exp2(-away / self.half)).astype(np.float32)


def read_boost(market: Market, text: str) -> Boost:
    """Parse `fresh 0.5 14d` or `near 48.14,11.58 0.5 2km`: a weight, and the age or distance at which half of it is left; or
    `building=villa 0.5`: a condition and a weight.

    Raises:
        VibesError: the text has no such form, or the market has no publication dates, locations or attribute of this name.
    """
    rule, match = "Rule boost", BOOST.fullmatch(text)
    condition, _, last = text.strip().rpartition(" ")
    if (
        match is None
        and SIGN.search(condition, 1)
        and re.fullmatch(NUMBER, last)
        and 0 < float(last) <= MOST_WEIGHT
    ):
        return Boost(float(last), fulfilled=fulfilling(market, condition.strip(), rule))
    weight = 0.0 if match is None else float(match["new"] or match["close"])
    half = 0.0 if match is None else float(match["age"] or match["way"])
    if match is None or not 0 < weight <= MOST_WEIGHT or not half:
        raise RequestError("bad_boost", rule=rule, text=text, limit=MOST_WEIGHT)
    if match["location"] is not None:
        location = read_location(market, match["location"], rule, text)
        return Boost(weight, half * KILOMETERS[match["unit"]], location)
    if not market.timed or C.PUBLISHED not in market.listings:
        raise RequestError("no_publication_dates", rule=rule, text=text, market=market.path)
    return Boost(weight, half * NANOSECONDS[match["clock"]])


@dataclass(frozen=True)
class Dial:
    """A style direction from `less` to `more` (ids of listings) in a space, with its name and strength.

    Attributes:
        weight: the gain of a listing per standard deviation along the direction, in standard deviations of the scores of a
            query; negative for the opposite direction.
    """

    name: str
    weight: float
    space: str
    more: tuple[str, ...]
    less: tuple[str, ...]

    def resolve(self, run: Run) -> Dial:
        """Return the dial with the ids as the tables of a run have them.

        Raises:
            VibesError: the run has no such space, or a listing is not in the run or has no vector in the space.
        """
        available = run.index(self.space).known
        more, less = (tuple(id_text(item) or "" for item in ids) for ids in (self.more, self.less))
        for item in (*more, *less):
            if item not in run.listing_row or not available[run.listing_row[item]]:
                names = {"dial": self.name, "listing": item, "space": self.space}
                raise RequestError("dial_listing", names, run=run.label)
        return replace(self, more=more, less=less)

    def __str__(self) -> str:
        sides = [f"+{quote(item, safe='')}" for item in self.more] + [
            f"-{quote(item, safe='')}" for item in self.less
        ]
        return f"{self.name} {self.weight:g} {self.space} {' '.join(sides)}"


def read_dial(text: str) -> Dial:
    """Parse `lighter 1.5 photos +home-0003 +home-0007 -home-0100`: a name, a weight, a space, and listings; spaces and semicolons in
    ids are escaped as in a URL (%20, %3B).

    Raises:
        VibesError: the text does not have this form.
    """
    # Split into words, since a regular expression for all of it would backtrack over many spaces.
    words = text.split()
    listings = list(takewhile(SIDE.fullmatch, reversed(words)))[::-1]
    *named, weight, space = ["", "", *words[: len(words) - len(listings)]]
    name, is_number = " ".join(named).strip(), WEIGHT.fullmatch(weight) is not None
    if (
        not (listings and name and space in SHRUNK and is_number)
        or abs(float(weight)) > MOST_WEIGHT
        or ";" in name
    ):
        raise RequestError("bad_dial", rule="Rule dial", text=text, limit=MOST_WEIGHT)
    more, less = (
        tuple(dict.fromkeys(unquote(item[1:]) for item in listings if item[0] == sign)) for sign in "+-"
    )
    return Dial(name, float(weight), space, more, less)


def position(run: Run, dial: Dial) -> np.ndarray:
    """Return the positions (L,) float32 of listings along a dial, in standard deviations from their mean; 0 without a vector.

    The direction is that of Fisher's linear discriminant with a shrunk covariance of all listings (Friedman 1989, "Regularized
    Discriminant Analysis"); for a side without a listing the mean of all is used.

    Raises:
        VibesError: the run has no such space, or a listing is not in the run or has no vector in the space.
    """
    vectors, available = run.vectors(dial.space), run.index(dial.space).known
    dial = dial.resolve(run)
    points = vectors[available].astype(np.float64)
    mean = points.mean(axis=0)
    more, less = (
        vectors[[run.listing_row[item] for item in ids]].astype(np.float64).mean(axis=0) if ids else mean
        for ids in (dial.more, dial.less)
    )
    direction = more - less
    if (shrunk := SHRUNK[dial.space]) < 1:
        centered = points - mean
        covariance = centered.T @ centered / len(centered)
        even = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        direction = np.linalg.solve((1 - shrunk) * covariance + shrunk * even, direction)
    along = vectors @ direction
    spread = float(along[available].std())
    if not spread:
        return np.zeros(len(vectors), np.float32)
    deviations = np.clip((along - along[available].mean()) / spread, -FARTHEST, FARTHEST)
    return np.where(available, deviations, 0).astype(np.float32)
