"""Where many want and few offer: places of a space with surely more users to a live listing than the market has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.demand.about import about, leading_of, live_nearest
from listing_vibes.insight.demand.demand_text import demand_text
from listing_vibes.insight.demand.places import candidate_places
from listing_vibes.insight.demand.surely import LEVEL, Lifts, lifts, surest
from listing_vibes.insight.demand.wishes import Wishes
from listing_vibes.insight.map.naming import names_of
from listing_vibes.insight.map.traits import Trait
from listing_vibes.market.log import DAY
from listing_vibes.market.moments import Moment
from listing_vibes.progress import Counted, Report
from listing_vibes.run.run import Run

LEAST = (
    1.5  # times as many users to a listing as the market has, from which a place counts as short of listings
)
DAYS = 28  # who was active in so many days before the moment is asked
OVERLAP = 0.2  # part of a place's listings that may be those of a surer place
SHOWN = 8  # listings named of each place
By = Literal["month"]


@dataclass(frozen=True)
class Figures:
    """A place at a moment."""

    at: str | int  # the day, or the position where events have no times
    asked: int  # users, those active last
    users: float  # how many of them wish for what lies here
    live: int  # listings here that could be had
    of: int  # of so many in the market
    lift: float | None  # times as many users to a live listing as in the market; None where none is live
    low: float  # at least so many times, at `LEVEL` for all places and moments together
    usual: float | None  # the lift to all that was ever published until then, gone or not
    sure: bool  # whether `low` reaches what was asked for


@dataclass(frozen=True, eq=False)
class UnmetPlace:
    """A place where many want and few offer."""

    name: str
    figures: list[Figures]  # one a moment
    traits: list[Trait]  # what those users touched has, over what live listings have
    words: list[str]
    wanted: list[str]  # listings here that most users wish for, live or not
    nearest: list[str]  # live listings that are nearest to these users
    listings: list[str] = field(repr=False)  # all that were ever published here

    @property
    def last(self) -> Figures:
        """The figures at the last moment."""
        return self.figures[-1]


@dataclass(frozen=True, eq=False, repr=False)
class Demand:
    """What `demand` found; in a notebook and on a terminal it shows itself as text."""

    market: str
    run: str
    space: str
    least: float
    looked: int  # places that were looked at
    places: list[UnmetPlace]  # the surest first

    def frame(self) -> pd.DataFrame:
        """One row a place and moment: `place, name`, what `Figures` has, `wanted` and `nearest` (ids, parted by spaces)."""
        rows = [
            {"place": number, "name": place.name, **asdict(one)}
            | {"wanted": " ".join(place.wanted), "nearest": " ".join(place.nearest)}
            for number, place in enumerate(self.places, 1)
            for one in place.figures
        ]
        columns = ["place", "name", *Figures.__dataclass_fields__, "wanted", "nearest"]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """The document of `vibes demand --json`."""
        return {
            **{name: getattr(self, name) for name in ("market", "run", "space", "least", "looked")},
            "level": LEVEL,
            "places": [asdict(place) for place in self.places],
        }

    def __repr__(self) -> str:
        return demand_text(self.to_dict())


def demand(
    run: Run | Path | str,
    at: Moment | None = None,
    by: By | None = None,
    space: str | None = None,
    least: float = LEAST,
    seed: int = 0,
    report: Report | None = None,
) -> Demand:
    """Where many want and few offer: what `vibes demand` does.

    >>> found = demand(run, at="2025-03-01")
    >>> found.frame().columns.tolist()[:6]
    ['place', 'name', 'at', 'asked', 'users', 'live']

    Users active in the four weeks before the moment are asked which of all listings ever published the model would give them first; where
    their wishes lie is set against where the live listings lie, place by place of `space`. A place is named where there are
    surely at least `least` times as many users to a live listing as in the whole market (95 %, for all places looked at
    together; see `listing_vibes.insight.demand.surely`).

    Args:
        run: a run, or its folder.
        at: the moment; None: after the last event known.
        by: "month": at the end of every month up to `at`, among those active in it.
        space: of which places are made; None: "photos" (what listings look like) where the run has them, else "model".
        least: at least so many times as many users to a listing; 1 names every surely greater one.

    Raises:
        VibesError: no model, no such space, nobody active before the moment, months without timestamps, or `least` below 1.
    """
    opened = run if isinstance(run, Run) else Run.open(run)
    opened.needs_model()
    if not least >= 1:
        raise VibesError(
            f"Option --least is {least:g}; give how many times as many users at least, 1 or more."
        )
    space = space or ("photos" if "photos" in opened.spaces else "model")
    known = opened.index(space).known
    moment = opened.moment(at)
    asked = _months(opened, moment) if by == "month" else [(_start(opened, moment), moment)]
    told = []
    for number, (since, until) in enumerate(asked):
        told.append(Wishes.of(opened, until, since, report if len(asked) == 1 else None))
        if report is not None and len(asked) > 1:
            report(Counted("months", number + 1, len(asked)))
    rows = np.flatnonzero(told[-1].published & known)
    places = [rows[part] for part in candidate_places(opened.vectors(space)[rows], seed)]
    found = [_lifts(one, places, least, len(places) * len(told), seed) for one in told]
    named = surest(found, places, len(known), least, OVERLAP) if places else []
    described = [_described(opened, space, told, found, place, places[place], least) for place in named]
    return Demand(
        opened.market.name, str(opened.path), space, least, len(places), _apart(described, leading_of(space))
    )


def _start(run: Run, moment: int) -> int | None:
    return moment - DAYS * DAY if run.log.timed else None


def _months(run: Run, moment: int) -> list[tuple[int | None, int]]:
    """(start, end) of every month with an event before `moment`; the last one ends there."""
    if not run.log.timed:
        raise VibesError(
            "The events of this market have no timestamps, so there are no months; leave out --by."
        )
    times = run.log.time[run.log.time < moment]
    if not len(times):
        raise VibesError("No user has an event before that moment, so there is no history to go by.")
    months = pd.to_datetime(times, unit="ns").to_period("M").unique().sort_values()
    ends = [(one.start_time.as_unit("ns").value, (one + 1).start_time.as_unit("ns").value) for one in months]
    return [(start, min(end, moment)) for start, end in ends]


def _lifts(told: Wishes, places: list[np.ndarray], least: float, looked: int, seed: int) -> Lifts:
    live = np.array([int(told.live[rows].sum()) for rows in places], np.int64)
    return lifts(told.shares(places), live, int(told.live.sum()), least, looked, seed)


def _described(
    run: Run, space: str, told: Sequence[Wishes], found: Sequence[Lifts], place: int, rows: np.ndarray, least: float
) -> UnmetPlace:  # fmt: skip
    figures = [_figures(run, one, lift, place, rows, least) for one, lift in zip(told, found, strict=True)]
    at = max(number for number, one in enumerate(figures) if one.sure)  # the last moment at which it was
    wishes = told[at]
    portrait = about(run, space, wishes, rows)
    ids = np.asarray(run.listing_ids)
    wanted = rows[np.argsort(-wishes.wished[rows], kind="stable")[:SHOWN]]
    return UnmetPlace(
        name=portrait.name,
        figures=figures,
        traits=portrait.traits,
        words=portrait.words,
        wanted=ids[wanted].tolist(),
        nearest=ids[live_nearest(wishes, rows, SHOWN)].tolist(),
        listings=ids[rows].tolist(),
    )


def _figures(run: Run, told: Wishes, found: Lifts, place: int, rows: np.ndarray, least: float) -> Figures:
    share, lift = float(found.share[place]), float(found.lift[place])
    there = int(told.published[rows].sum())
    when = told.audience.at
    return Figures(
        at=str(np.datetime64(when - 1, "ns").astype("datetime64[D]")) if run.log.timed else when,
        asked=len(told.audience),
        users=round(share * len(told.audience), 1),
        live=int(found.live[place]),
        of=found.total,
        lift=lift if np.isfinite(lift) else None,
        low=float(found.low[place]),
        usual=share * int(told.published.sum()) / there if there else None,
        sure=bool(found.low[place] >= least),
    )


def _apart(places: list[UnmetPlace], leading: Collection[str]) -> list[UnmetPlace]:
    """The same with names of which no two are alike: what else tells of a place follows, else a number."""
    longer = names_of([place.traits for place in places], [place.words for place in places], leading)
    taken: set[str] = set()
    found = []
    for number, (place, more) in enumerate(zip(places, longer, strict=True), 1):
        ways = (place.name, more, f"{place.name} ({number})")
        name = next(one for one in ways if one not in taken)
        taken.add(name)
        found.append(replace(place, name=name))
    return found
