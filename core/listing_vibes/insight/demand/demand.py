"""Unmet demand: regions of a space with significantly more users per active listing than the market."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.demand.places import candidate_places
from listing_vibes.insight.demand.surely import LEVEL, Lifts, lifts, surest
from listing_vibes.insight.demand.wishes import Wishes
from listing_vibes.insight.map.cluster_looks import coded_map
from listing_vibes.insight.map.cluster_names import Coded, Portrait, Trait, coded_at, portraits
from listing_vibes.insight.map.tones import COLUMNS
from listing_vibes.insight.map.tones import LABEL as TONES
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.search.photo_search import PhotoSearch
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import DAY
from listing_vibes.market.moments import Moment
from listing_vibes.progress import Counted, Report
from listing_vibes.run.run import Run
from listing_vibes.tables import render_table
from listing_vibes.words import count

LEAST = 1.5  # default minimum lift of a region with unmet demand
DAYS = 28  # days before the moment in which a user must have been active
OVERLAP = 0.2  # maximum share of a region's listings that are in a more significant region
SHOWN = 8  # listings shown per region
By = Literal["month"]


@dataclass(frozen=True)
class Figures:
    """The figures of a region at a moment."""

    at: str | int  # the day, or the position if events have no times
    asked: int  # number of users considered, the most recently active ones
    users: float  # number of them with demand in the region
    live: int  # active listings in the region
    of: int  # active listings in the market
    lift: float | None  # users per active listing, relative to the market; None without active listings
    low: float  # lower bound of the lift, at `LEVEL` for all regions and moments together
    usual: float | None  # the lift relative to all listings published until then, active or not
    sure: bool  # whether `low` reaches the requested minimum


@dataclass(frozen=True, eq=False)
class UnmetPlace:
    """A region with unmet demand."""

    name: str
    figures: list[Figures]  # one per moment
    traits: list[Trait]  # traits of listings in these users' histories, compared with active listings
    words: list[str]
    wanted: list[str]  # listings of the region with the most demand, active or not
    nearest: list[str]  # active listings that are nearest to these users
    listings: list[str] = field(repr=False)  # all listings ever published in the region

    @property
    def last(self) -> Figures:
        """Return the figures at the last moment."""
        return self.figures[-1]


@dataclass(frozen=True, eq=False, repr=False)
class Demand:
    """The result of `demand`; its repr is a table."""

    market: str
    run: str
    space: str
    least: float
    looked: int  # number of regions that were tested
    places: list[UnmetPlace]  # the most significant first

    def frame(self) -> pd.DataFrame:
        """Return one row per region and moment: `place, name`, the fields of `Figures`, `wanted` and `nearest` (ids, separated by spaces)."""
        rows = [
            {"place": number, "name": place.name, **asdict(figures)}
            | {"wanted": " ".join(place.wanted), "nearest": " ".join(place.nearest)}
            for number, place in enumerate(self.places, 1)
            for figures in place.figures
        ]
        columns = ["place", "name", *Figures.__dataclass_fields__, "wanted", "nearest"]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `vibes demand --json`."""
        names = ("market", "run", "space", "least", "looked")
        places = [asdict(place) for place in self.places]
        return {**{name: getattr(self, name) for name in names}, "level": LEVEL, "places": places}

    def __repr__(self) -> str:
        size = f"{self.market}: {count(self.looked, 'region')} of the space '{self.space}' tested"
        if not self.places:
            return f"{size}; none has significantly {self.least:g} times as many users per active listing as the market ({LEVEL:.0%})."
        rows = [
            {
                "region": place.name,
                "at": figures.at,
                "users": f"{figures.users:,.0f} of {figures.asked:,}",
                "active": f"{figures.live:,} of {figures.of:,}",
                "lift": "-" if figures.lift is None else f"{figures.lift:.1f}",
                f"at least ({LEVEL:.0%})": f"{figures.low:.1f}"
                + ("" if figures.sure else " (not significant)"),
                "most wanted": " ".join(place.wanted[:3]),
                "nearest active": " ".join(place.nearest[:3]),
            }
            for place in self.places
            for figures in place.figures
        ]
        note = "Lift: users per active listing, relative to the market."
        return f"{size}.\n\n{render_table(pd.DataFrame(rows))}\n\n{note}"


def demand(
    run: Run | Path | str,
    at: Moment | None = None,
    by: By | None = None,
    space: str | None = None,
    least: float = LEAST,
    seed: int = 0,
    report: Report | None = None,
) -> Demand:
    """Find unmet demand; the function behind `vibes demand`.

    >>> found = demand(run, at="2025-03-01")
    >>> found.frame().columns.tolist()[:6]
    ['place', 'name', 'at', 'asked', 'users', 'live']

    The demand of users active in the four weeks before the moment is the top of the model's recommendations from all listings
    ever published. It is compared with the active listings, region by region of `space`. A region is returned if it has
    significantly more than `least` times as many users per active listing as the market (95 %, for all regions tested
    together; see `listing_vibes.insight.demand.surely`).

    Args:
        run: a run, or its folder.
        at: the moment; None: after the last event.
        by: "month": at the end of every month up to `at`, for the users active in it.
        space: the space of the regions; None: "photos" (what listings look like) if the run has them, else "model".
        least: minimum lift; 1 returns every region with a lift significantly above 1.

    Raises:
        VibesError: the run has no model or no such space, no user was active before the moment, there are months without
            timestamps, or `least` is below 1.
    """
    opened = run if isinstance(run, Run) else Run.open(run)
    opened.needs_model()
    if not least >= 1:
        raise VibesError(f"Option --least is {least:g}; give a minimum lift of 1 or more.")
    space = space or ("photos" if "photos" in opened.spaces else "model")
    available, moment = opened.index(space).known, opened.moment(at)
    start = moment - DAYS * DAY if opened.log.timed else None
    periods = _months(opened, moment) if by == "month" else [(start, moment)]
    wishes = []
    for number, (since, until) in enumerate(periods):
        wishes.append(Wishes.of(opened, until, since, report if len(periods) == 1 else None))
        if report is not None and len(periods) > 1:
            report(Counted("months", number + 1, len(periods)))
    rows = np.flatnonzero(wishes[-1].published & available)
    places = [rows[part] for part in candidate_places(opened.vectors(space)[rows], seed)]
    results = [_lifts(wish, places, least, len(places) * len(wishes), seed) for wish in wishes]
    named = surest(results, places, len(available), least, OVERLAP) if places else []
    coded = _coded(opened) if named else []
    described: list[UnmetPlace] = []
    for place in named:
        figures = [
            _figures(opened, item, lift, place, places[place], least)
            for item, lift in zip(wishes, results, strict=True)
        ]
        last = max(number for number, item in enumerate(figures) if item.sure)
        described.append(_describe(opened, space, wishes[last], figures, places[place], coded, described))
    return Demand(opened.market.name, str(opened.path), space, least, len(places), described)


def _months(run: Run, moment: int) -> list[tuple[int | None, int]]:
    """Return (start, end) of every month with an event before `moment`, where the last one ends."""
    if not run.log.timed:
        raise VibesError(
            "The events of this market have no timestamps, so there are no months; leave out --by."
        )
    times = run.log.time[run.log.time < moment]
    if not len(times):
        raise VibesError(
            "No user has an event before that moment, so there is no history; choose a later moment."
        )
    months = pd.to_datetime(times, unit="ns").to_period("M").unique().sort_values()
    ends = [
        (month.start_time.as_unit("ns").value, (month + 1).start_time.as_unit("ns").value) for month in months
    ]
    return [(start, min(end, moment)) for start, end in ends]


def _lifts(wishes: Wishes, places: list[np.ndarray], least: float, tested: int, seed: int) -> Lifts:
    live = np.array([int(wishes.live[rows].sum()) for rows in places], np.int64)
    return lifts(wishes.shares(places), live, int(wishes.live.sum()), least, tested, seed)


def _figures(run: Run, wishes: Wishes, result: Lifts, place: int, rows: np.ndarray, least: float) -> Figures:
    share, lift = float(result.share[place]), float(result.lift[place])
    here, at = int(wishes.published[rows].sum()), wishes.audience.at
    return Figures(
        at=str(np.datetime64(at - 1, "ns").astype("datetime64[D]")) if run.log.timed else at,
        asked=len(wishes.audience),
        users=round(share * len(wishes.audience), 1),
        live=int(result.live[place]),
        of=result.total,
        lift=lift if np.isfinite(lift) else None,
        low=float(result.low[place]),
        usual=share * int(wishes.published.sum()) / here if here else None,
        sure=bool(result.low[place] >= least),
    )


def _coded(run: Run) -> list[Coded]:
    """Return the values of all listings for portraits: attributes, and photo classes if available."""
    drawn, search = read_map(run), PhotoSearch.open(run) if len(run.market.photos) else None
    tones = (
        pd.DataFrame(columns=list(COLUMNS))
        if drawn is None
        else drawn.drop_duplicates(C.LISTING).set_index(C.LISTING)
    )
    tones = tones.reindex(index=run.listing_ids, columns=list(COLUMNS))
    return coded_map(
        run.market, np.arange(len(run.market.listings)), tones, None if search is None else search.looks
    )


def _describe(
    run: Run,
    space: str,
    wishes: Wishes,
    figures: list[Figures],
    rows: np.ndarray,
    coded: Sequence[Coded],
    before: Sequence[UnmetPlace],
) -> UnmetPlace:
    users, ids = wishes.users_of(rows), np.asarray(run.listing_ids)
    history, live = wishes.listings_of(users), np.flatnonzero(wishes.live)
    both, group = np.concatenate([history, live]), np.repeat([0, -1], [len(history), len(live)])
    values = coded_at(coded, len(run.market.listings), both)
    leading = (TONES,) if space == "photos" else ()
    portrait, *_ = [*portraits(run.market, both, group, coded=values, leading=leading), Portrait("Group 1")]
    name = f"Region {len(before) + 1}" if portrait.name == "Group 1" else portrait.name
    return UnmetPlace(
        name=f"{name} ({len(before) + 1})" if name in {place.name for place in before} else name,
        figures=figures,
        traits=portrait.traits,
        words=portrait.words,
        wanted=ids[rows[np.argsort(-wishes.wished[rows], kind="stable")[:SHOWN]]].tolist(),
        nearest=ids[wishes.live_nearest(users, SHOWN)].tolist(),
        listings=ids[rows].tolist(),
    )
