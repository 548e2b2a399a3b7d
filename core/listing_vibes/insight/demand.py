"""Unmet demand: regions of a space with significantly more users per active listing than the market.

Candidates are the branches of a tree over the listings, with small regions inside larger ones, as in the tree-based scan statistic
(Kulldorff, Fang and Walsh 2003, "A tree-based scan statistic for database disease surveillance"); the tree is Ward's (1963).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.reduce import spherical_kmeans
from listing_vibes.insight.audience import Audience, Population, audience_share
from listing_vibes.insight.map.cluster_names import (
    ListingValues,
    Portrait,
    Trait,
    attribute_values,
    portraits,
)
from listing_vibes.insight.map.vibe_map import drawn_tones
from listing_vibes.insight.photo_search import looks_of
from listing_vibes.market.log import ranges
from listing_vibes.market.moments import Moment
from listing_vibes.progress import Report, silent
from listing_vibes.run.run import Run
from listing_vibes.words import count, render_table

LEAST = 1.5  # default minimum lift of a region with unmet demand
USERS = 2000  # size of the sample of users; more add little for a hundredth of all demand
NEAR = 15  # listings per user that share the user's demand evenly
MOSTLY, FEWEST = 0.5, 20  # share of a user's demand in a region to be its user; minimum number of its users
SHOWN = 8  # listings shown per region
SMALLEST, SHARE = 20, 0.02  # minimum size of a region: number of listings, and share of all listings
LARGEST = 1 / 3  # maximum share of a region
SINGLE = 3000  # number of listings up to which the leaves of the tree are single listings
GROUPS, SAMPLE = 500, 10_000  # with more listings, the leaves are so many clusters of a sample
OVERLAP = 0.2  # maximum share of a region's listings that are in a region with a greater lift
DRAWS = 200  # draws of the bootstrap over users
LEVEL = 0.95
HALVINGS, WIDEST = 30, 1e4  # steps of the bisection, and the largest lift


@dataclass(frozen=True, eq=False)
class Region:
    """A region with unmet demand."""

    name: str
    users: float  # number of users with demand in the region
    active: int  # active listings in the region
    lift: float | None  # users per active listing, relative to the market; None without active listings
    low: float  # lower bound of the lift, at `LEVEL` for all regions together
    traits: list[Trait]  # traits of listings in these users' histories, compared with active listings
    wanted: list[str]  # listings of the region with the most demand, active or not
    nearest: list[str]  # active listings that are nearest to these users
    listings: list[str] = field(repr=False)  # all listings ever published in the region


@dataclass(frozen=True, eq=False, repr=False)
class Demand:
    """The result of `demand`; its repr is a table."""

    market: str
    run: str
    space: str
    at: str | int  # the day, or the position if events have no times
    population: Population  # the users considered, and the size of the sample
    all_active: int  # active listings in the market
    least: float
    tests: int  # number of regions that were tested
    regions: list[Region]  # the greatest lower bound of the lift first

    def frame(self) -> pd.DataFrame:
        """Return one row per region: `region, name, users, active, lift, low`, `wanted` and `nearest` (ids, separated by spaces)."""
        names = ("name", "users", "active", "lift", "low")
        rows = [
            {"region": number, **{name: getattr(region, name) for name in names}}
            | {"wanted": " ".join(region.wanted), "nearest": " ".join(region.nearest)}
            for number, region in enumerate(self.regions, 1)
        ]
        return pd.DataFrame(rows, columns=["region", *names, "wanted", "nearest"])

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `vibes demand --json`."""
        return {**asdict(self), "level": LEVEL}

    def __repr__(self) -> str:
        size = (
            f"{self.market} at {self.at}, {self.population.describe()} and {count(self.all_active, 'active listing')}: "
            f"{count(self.tests, 'region')} of the space '{self.space}' tested"
        )
        if not self.regions:
            return f"{size}; none has significantly {self.least:g} times as many users per active listing as the market ({LEVEL:.0%})."
        rows = [
            {
                "region": region.name,
                "users": audience_share(region.users / self.population.users, ""),
                "active": f"{region.active:,}",
                "lift": "-" if region.lift is None else f"{region.lift:.1f}",
                f"at least ({LEVEL:.0%})": f"{region.low:.1f}",
                "most wanted": " ".join(region.wanted[:3]),
                "nearest active": " ".join(region.nearest[:3]),
            }
            for region in self.regions
        ]
        note = "Lift: users per active listing, relative to the market."
        return f"{size}.\n\n{render_table(pd.DataFrame(rows))}\n\n{note}"


def demand(
    run: Run | Path | str,
    at: Moment | None = None,
    space: str | None = None,
    least: float = LEAST,
    seed: int = 0,
    report: Report = silent,
) -> Demand:
    """Find unmet demand; the function behind `vibes demand`.

    >>> result = demand(run, at="2025-03-01")
    >>> result.frame().columns.tolist()[:6]
    ['region', 'name', 'users', 'active', 'lift', 'low']

    The demand of users active in the four weeks before the moment is the top of the model's recommendations from all listings
    ever published. It is compared with the active listings, region by region of `space`. A region is returned if it has
    significantly more than `least` times as many users per active listing as the market (95 %, for all regions tested
    together; see `measure_lifts`).

    Args:
        run: a run, or its folder.
        at: the moment; None: after the last event.
        space: the space of the regions; None: "photos" (what listings look like) if the run has them, else "model".
        least: minimum lift; 1 returns every region with a lift significantly above 1.

    Raises:
        VibesError: the run has no model or no such space, no user was active before the moment, or `least` is below 1.
    """
    opened = run if isinstance(run, Run) else Run.open(run)
    opened.needs_model()
    if not least >= 1:
        raise VibesError(f"The minimum lift is {least:g}; give 1 or more.")
    space = space or ("photos" if "photos" in opened.spaces else "model")
    available, moment, is_timed = opened.index(space).known, opened.moment(at), opened.log.timed
    users = UserDemand.of(opened, moment, report)
    rows = np.flatnonzero(users.published & available)
    regions = [rows[part] for part in candidate_regions(opened.vectors(space)[rows], seed)]
    active, total = np.array([users.active[part].sum() for part in regions], int), int(users.active.sum())
    shares, low = measure_lifts(users.shares(regions), active, total, len(regions), seed)
    selected = select_regions(low, regions, len(available), least)
    values = _values(opened) if selected else ListingValues.of([], 0)
    described: list[Region] = []
    for number in selected:
        share, supply = float(shares[number]), int(active[number])
        lift = share * total / supply if supply else None
        number_of_users = round(share * users.audience.population.users, 1)
        measured = {"users": number_of_users, "active": supply, "lift": lift, "low": float(low[number])}
        described.append(_describe(opened, users, measured, regions[number], values, described))
    return Demand(
        market=opened.market.name,
        run=str(opened.path),
        space=space,
        at=str(np.datetime64(moment - 1, "ns").astype("datetime64[D]")) if is_timed else moment,
        population=users.audience.population,
        all_active=total,
        least=least,
        tests=len(regions),
        regions=described,
    )


@dataclass(frozen=True)
class UserDemand:
    """The demand of the active users at a moment: the first `NEAR` listings of each.

    Demand uses ranks instead of cosines: users occupy a small part of the space that they share with listings, so the cosine to a
    listing is not comparable, but the order of the listings is.
    """

    audience: Audience  # U users
    first: np.ndarray  # (U, k) int64, rows of the run
    active: np.ndarray  # (L,) bool, listings that are active then
    published: np.ndarray  # (L,) bool, listings published until then

    @classmethod
    def of(cls, run: Run, at: int, report: Report = silent) -> UserDemand:
        """Return the demand of the users active in the weeks before the moment `at`."""
        audience = Audience.of(run, USERS, at, report)
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


def candidate_regions(vectors: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """Return the rows of each region among L2-normalized `vectors` (n, d); none if there are too few listings."""
    count = len(vectors)
    low, high = max(SMALLEST, SHARE * count), LARGEST * count
    if high < low:
        return []
    from scipy.cluster.hierarchy import linkage  # a slow import, deferred for pages that need no test

    parts = [np.array([row]) for row in range(count)]
    if count > SINGLE:
        sample = np.sort(np.random.default_rng(seed).choice(count, min(SAMPLE, count), replace=False))
        _, centers = spherical_kmeans(vectors[sample], GROUPS, seed)
        blocks = np.array_split(vectors, 1 + count // SAMPLE)
        nearest = np.concatenate([(block @ centers.T).argmax(axis=1) for block in blocks])
        parts = [rows for number in range(len(centers)) if len(rows := np.flatnonzero(nearest == number))]
    for pair in linkage(np.stack([vectors[part].mean(axis=0) for part in parts]), "ward")[:, :2].astype(int):
        parts.append(np.sort(np.concatenate([parts[branch] for branch in pair])))
    return [part for part in parts if low <= len(part) <= high]


def measure_lifts(
    demand: np.ndarray, active: np.ndarray, total: int, tests: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of all demand in each region, (P,), and the lower bound of its lift, (P,).

    The lift is the users per active listing, relative to the market; its bounds hold for all regions together, with the
    confidence `LEVEL`. Users are resampled (Poisson bootstrap, Hanley and MacGibbon 2006). Given their share, the number of active
    listings in a region is binomial where supply follows demand, and the bound inverts that test (Clopper and Pearson 1934), each
    region at the level corrected for the number of tests (Bonferroni).

    Args:
        demand: (U, P) share of each user's demand in each region, from 0 to 1.
        active: (P,) active listings of each region, of `total`.
    """
    from scipy.special import bdtr  # a slow import, deferred for pages that need no lift

    weight = np.random.default_rng(seed).poisson(1.0, (DRAWS, len(demand))).astype(np.float32)  # (B, U)
    weight[:, 0] += weight.sum(axis=1) == 0  # in a small sample all users may have the weight 0
    drawn = (weight @ demand.astype(np.float32)) / weight.sum(axis=1, keepdims=True)  # (B, P)
    low, high = np.full(len(active), 1 / WIDEST), np.full(len(active), WIDEST)
    for _ in range(HALVINGS):
        middle = np.sqrt(low * high)
        p_value = bdtr(active, total, np.minimum(drawn / middle, 1.0)).mean(axis=0)
        is_rejected = p_value <= (1 - LEVEL) / max(tests, 1)
        low, high = np.where(is_rejected, middle, low), np.where(is_rejected, high, middle)
    return demand.mean(axis=0, dtype=np.float64), low


def select_regions(low: np.ndarray, regions: list[np.ndarray], rows: int, least: float) -> list[int]:
    """Return the regions whose lift has a lower bound `low` (P,) of at least `least`, the greatest first.

    Each shares at most `OVERLAP` of its listings with those before it; `rows` is the number of listings.
    """
    taken, selected = np.zeros(rows, bool), []
    for region in np.argsort(-low, kind="stable"):
        if low[region] >= least and taken[regions[region]].mean() <= OVERLAP:
            taken[regions[region]] = True
            selected.append(int(region))
    return selected


def _values(run: Run) -> ListingValues:
    """Return the values of all listings for portraits: attributes, and photo classes if available."""
    return attribute_values(run.market, np.arange(len(run.listing_ids)), drawn_tones(run), looks_of(run))


def _describe(
    run: Run,
    demand: UserDemand,
    measured: dict[str, Any],
    rows: np.ndarray,
    values: ListingValues,
    before: Sequence[Region],
) -> Region:
    """Return the region with the listings `rows` and the figures `measured`."""
    users, ids = demand.users_of(rows), np.asarray(run.listing_ids)
    history, active = demand.listings_of(users), np.flatnonzero(demand.active)
    both, group = np.concatenate([history, active]), np.repeat([0, -1], [len(history), len(active)])
    portrait, *_ = [*portraits(values.take(both), group), Portrait("Group 1")]
    name = f"Region {len(before) + 1}" if portrait.name == "Group 1" else portrait.name
    wanted = np.bincount(demand.first.ravel(), minlength=len(ids))[rows]
    near = run.vectors("model")[active] @ demand.audience.vectors[users].mean(axis=0)
    return Region(
        **measured,
        name=f"{name} ({len(before) + 1})" if name in {region.name for region in before} else name,
        traits=portrait.traits,
        wanted=ids[rows[np.argsort(-wanted, kind="stable")[:SHOWN]]].tolist(),
        nearest=ids[active[np.argsort(-near, kind="stable")[:SHOWN]]].tolist(),
        listings=ids[rows].tolist(),
    )
