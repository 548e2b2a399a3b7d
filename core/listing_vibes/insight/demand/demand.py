"""Unmet demand: regions of a space with significantly more users per active listing than the market."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.audience import Audience
from listing_vibes.insight.demand.regions import (
    LEVEL,
    Lifts,
    candidate_regions,
    measure_lifts,
    select_regions,
)
from listing_vibes.insight.map.cluster_names import Portrait, Trait, coded_at, coded_map, portraits
from listing_vibes.insight.map.tones import COLUMNS
from listing_vibes.insight.map.tones import LABEL as TONES
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.search.photo_search import PhotoSearch
from listing_vibes.market.attribute_types import Coded
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import DAY, ranges
from listing_vibes.market.moments import Moment
from listing_vibes.progress import Counted, Report
from listing_vibes.run.run import Run
from listing_vibes.tables import render_table
from listing_vibes.words import count

LEAST = 1.5  # default minimum lift of a region with unmet demand
DAYS = 28  # days before the moment in which a user must have been active
USERS = 2000  # most recently active users per moment; more add little for a hundredth of all demand
NEAR = 15  # listings per user that share the user's demand evenly
MOSTLY, FEWEST = 0.5, 20  # share of a user's demand in a region to be its user; minimum number of its users
SHOWN = 8  # listings shown per region
By = Literal["month"]


@dataclass(frozen=True)
class Figures:
    """The figures of a region at a moment."""

    at: str | int  # the day, or the position if events have no times
    all_users: int  # number of users considered, the most recently active ones
    users: float  # number of them with demand in the region
    active: int  # active listings in the region
    all_active: int  # active listings in the market
    lift: float | None  # users per active listing, relative to the market; None without active listings
    low: float  # lower bound of the lift, at `LEVEL` for all regions and moments together
    is_significant: bool  # whether `low` reaches the requested minimum


@dataclass(frozen=True, eq=False)
class Region:
    """A region with unmet demand."""

    name: str
    figures: list[Figures]  # one per moment
    traits: list[Trait]  # traits of listings in these users' histories, compared with active listings
    words: list[str]
    wanted: list[str]  # listings of the region with the most demand, active or not
    nearest: list[str]  # active listings that are nearest to these users
    listings: list[str] = field(repr=False)  # all listings ever published in the region


@dataclass(frozen=True, eq=False, repr=False)
class Demand:
    """The result of `demand`; its repr is a table."""

    market: str
    run: str
    space: str
    least: float
    tests: int  # number of regions that were tested
    regions: list[Region]  # the most significant first

    def frame(self) -> pd.DataFrame:
        """Return one row per region and moment: `region, name`, the fields of `Figures`, `wanted` and `nearest` (ids, separated by spaces)."""
        rows = [
            {"region": number, "name": region.name, **asdict(figures)}
            | {"wanted": " ".join(region.wanted), "nearest": " ".join(region.nearest)}
            for number, region in enumerate(self.regions, 1)
            for figures in region.figures
        ]
        columns = ["region", "name", *Figures.__dataclass_fields__, "wanted", "nearest"]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `vibes demand --json`."""
        return {**asdict(self), "level": LEVEL}

    def __repr__(self) -> str:
        size = f"{self.market}: {count(self.tests, 'region')} of the space '{self.space}' tested"
        if not self.regions:
            return f"{size}; none has significantly {self.least:g} times as many users per active listing as the market ({LEVEL:.0%})."
        rows = [
            {
                "region": region.name,
                "at": figures.at,
                "users": f"{figures.users:,.0f} of {figures.all_users:,}",
                "active": f"{figures.active:,} of {figures.all_active:,}",
                "lift": "-" if figures.lift is None else f"{figures.lift:.1f}",
                f"at least ({LEVEL:.0%})": f"{figures.low:.1f}",
                "significant": "yes" if figures.is_significant else "no",
                "most wanted": " ".join(region.wanted[:3]),
                "nearest active": " ".join(region.nearest[:3]),
            }
            for region in self.regions
            for figures in region.figures
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

    >>> result = demand(run, at="2025-03-01")
    >>> result.frame().columns.tolist()[:6]
    ['region', 'name', 'at', 'all_users', 'users', 'active']

    The demand of users active in the four weeks before the moment is the top of the model's recommendations from all listings
    ever published. It is compared with the active listings, region by region of `space`. A region is returned if it has
    significantly more than `least` times as many users per active listing as the market (95 %, for all regions tested
    together; see `listing_vibes.insight.demand.regions`).

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
        raise VibesError(f"The minimum lift is {least:g}; give 1 or more.")
    space = space or ("photos" if "photos" in opened.spaces else "model")
    available, moment = opened.index(space).known, opened.moment(at)
    start = moment - DAYS * DAY if opened.log.timed else None
    periods = _months(opened, moment) if by == "month" else [(start, moment)]
    moments = []
    for number, (since, until) in enumerate(periods):
        moments.append(UserDemand.of(opened, until, since, report if len(periods) == 1 else None))
        if report is not None and len(periods) > 1:
            report(Counted("months", number + 1, len(periods)))
    rows = np.flatnonzero(moments[-1].published & available)
    regions = [rows[part] for part in candidate_regions(opened.vectors(space)[rows], seed)]
    lifts = [item.lifts(regions, least, len(regions) * len(moments), seed) for item in moments]
    selected = select_regions(lifts, regions, len(available), least) if regions else []
    coded = _coded(opened) if selected else []
    described: list[Region] = []
    for number in selected:
        part = regions[number]
        figures = [item.figures(lift, number, part, least) for item, lift in zip(moments, lifts, strict=True)]
        last = max(place for place, item in enumerate(figures) if item.is_significant)
        described.append(_describe(opened, space, moments[last], figures, part, coded, described))
    return Demand(opened.market.name, str(opened.path), space, least, len(regions), described)


def _months(run: Run, moment: int) -> list[tuple[int | None, int]]:
    """Return (start, end) of every month with an event before `moment`, where the last one ends."""
    times = run.log.time[run.log.time < moment]
    if not run.log.timed or not len(times):
        raise VibesError("There are no months, since no event before that moment has a time; leave out --by.")
    months = pd.to_datetime(times, unit="ns").to_period("M").unique().sort_values()
    starts, ends = (item.to_timestamp().as_unit("ns").asi8.tolist() for item in (months, months + 1))
    return [(start, min(end, moment)) for start, end in zip(starts, ends, strict=True)]


@dataclass(frozen=True)
class UserDemand:
    """The demand of the most recently active users at a moment: the first `NEAR` listings of each.

    Demand uses ranks instead of cosines: users occupy a small part of the space that they share with listings, so the cosine to a
    listing is not comparable, but the order of the listings is.
    """

    audience: Audience  # U users
    first: np.ndarray  # (U, k) int64, rows of the run
    active: np.ndarray  # (L,) bool, listings that are active then
    published: np.ndarray  # (L,) bool, listings published until then

    @classmethod
    def of(cls, run: Run, at: int, since: int | None, report: Report | None = None) -> UserDemand:
        """Return the demand before the moment `at`, of users active since `since` (None: any time)."""
        audience = Audience.of(run, USERS, at, report, since)
        available = run.index("model").known
        published = available & (run.catalogue.since <= at)
        first = audience.nearest(np.flatnonzero(published), NEAR)
        return cls(audience, first, available & run.catalogue.live(at), published)

    def shares(self, regions: list[np.ndarray]) -> np.ndarray:
        """Return the share of each user's demand in each of the regions (rows of the run), (U, P) float32."""
        inside = np.zeros((len(self.active), len(regions)), np.float32)  # (L, P)
        for number, rows in enumerate(regions):
            inside[rows, number] = 1
        total = np.zeros((len(self.audience), len(regions)), np.float32)
        for column in self.first.T:
            total += inside[column]
        return np.asarray(total / max(1, self.first.shape[1]))

    def lifts(self, regions: list[np.ndarray], least: float, tests: int, seed: int) -> Lifts:
        """Return the lifts of the regions, see `measure_lifts`."""
        active = np.array([self.active[rows].sum() for rows in regions], np.int64)
        return measure_lifts(self.shares(regions), active, int(self.active.sum()), least, tests, seed)

    def figures(self, lifts: Lifts, number: int, rows: np.ndarray, least: float) -> Figures:
        """Return the figures of the region `number` with these rows."""
        log, at = self.audience.run.log, self.audience.at
        active, total = int(self.active[rows].sum()), int(self.active.sum())
        share, low = float(lifts.share[number]), float(lifts.low[number])
        return Figures(
            at=str(np.datetime64(at - 1, "ns").astype("datetime64[D]")) if log.timed else at,
            all_users=len(self.audience),
            users=round(share * len(self.audience), 1),
            active=active,
            all_active=total,
            lift=share * total / active if active else None,
            low=low,
            is_significant=low >= least,
        )

    def users_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the users with at least `MOSTLY` of their demand in the region `rows`, or the `FEWEST` with the largest share."""
        share = self.shares([rows])[:, 0]
        order = np.argsort(-share, kind="stable")
        return order[: max(min(FEWEST, len(order)), int((share >= MOSTLY).sum()))]

    def listings_of(self, users: np.ndarray) -> np.ndarray:
        """Return the listings in the histories of users, (T,), once per user."""
        start, length = self.audience.start[users], self.audience.end[users] - self.audience.start[users]
        log, events = self.audience.run.log, ranges(start, length)
        pairs = np.stack([np.repeat(users, length), log.listing[events]], axis=1)[log.is_positive[events]]
        return np.unique(pairs, axis=0)[:, 1]


def _coded(run: Run) -> list[Coded]:
    """Return the values of all listings for portraits: attributes, and photo classes if available."""
    drawn, search = read_map(run), PhotoSearch.open(run) if len(run.market.photos) else None
    tones = pd.DataFrame(columns=list(COLUMNS))
    if drawn is not None:
        tones = drawn.drop_duplicates(C.LISTING).set_index(C.LISTING)
    tones = tones.reindex(index=run.listing_ids, columns=list(COLUMNS))
    rows = np.arange(len(run.market.listings))
    return coded_map(run.market, rows, tones, None if search is None else search.looks)


def _describe(
    run: Run,
    space: str,
    demand: UserDemand,
    figures: list[Figures],
    rows: np.ndarray,
    coded: Sequence[Coded],
    before: Sequence[Region],
) -> Region:
    users, ids = demand.users_of(rows), np.asarray(run.listing_ids)
    history, active = demand.listings_of(users), np.flatnonzero(demand.active)
    both, group = np.concatenate([history, active]), np.repeat([0, -1], [len(history), len(active)])
    values = coded_at(coded, len(run.market.listings), both)
    leading = (TONES,) if space == "photos" else ()
    portrait, *_ = [*portraits(run.market, both, group, coded=values, leading=leading), Portrait("Group 1")]
    name = f"Region {len(before) + 1}" if portrait.name == "Group 1" else portrait.name
    wanted = np.bincount(demand.first.ravel(), minlength=len(ids))[rows]
    near = run.vectors("model")[active] @ demand.audience.vectors[users].mean(axis=0)
    return Region(
        name=f"{name} ({len(before) + 1})" if name in {region.name for region in before} else name,
        figures=figures,
        traits=portrait.traits,
        words=portrait.words,
        wanted=ids[rows[np.argsort(-wanted, kind="stable")[:SHOWN]]].tolist(),
        nearest=ids[active[np.argsort(-near, kind="stable")[:SHOWN]]].tolist(),
        listings=ids[rows].tolist(),
    )
