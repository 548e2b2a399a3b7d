"""Lift of demand over supply by region, with simultaneous lower bounds for all tested regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DRAWS = 200  # draws of the bootstrap over users
LEVEL = 0.95
HALVINGS = 30  # steps of the bisection, for a relative precision of one millionth
WIDEST = 1e4


@dataclass(frozen=True, eq=False)
class Lifts:
    """The lift of P regions: users per listing, relative to the market.

    Attributes:
        share: (P,) share of all demand in the region.
        live: (P,) int64, active listings of the region.
        total: active listings of the market.
        lift: (P,) share divided by the region's share of active listings; infinite if none is active.
        low: (P,) lower bound of the lift, with the confidence `LEVEL` for all regions simultaneously.
        chance: (P,) p-value of the null hypothesis that the lift is `least`; not corrected.
    """

    share: np.ndarray
    live: np.ndarray
    total: int
    lift: np.ndarray
    low: np.ndarray
    chance: np.ndarray


def lifts(
    wishes: np.ndarray, live: np.ndarray, total: int, least: float, looked: int, seed: int = 0
) -> Lifts:
    """Return the lifts of regions by the share of each user's demand in them, `wishes` (U, P) from 0 to 1.

    Users are resampled (Poisson bootstrap, Hanley and MacGibbon 2006). Given their share, the number of active listings in a
    region is binomial where supply follows demand, and the bound inverts that test (Clopper and Pearson 1934), each region at
    the level corrected for the number of tests `looked` over all moments (Bonferroni).

    Args:
        live: (P,) active listings of each region, of `total`.
        least: the minimum lift.
    """
    from scipy.stats import binom  # a slow import, deferred for pages that need no lift

    rng = np.random.default_rng(seed)
    weight = rng.poisson(1.0, (DRAWS, len(wishes))).astype(np.float32)  # (B, U)
    weight[:, 0] += weight.sum(axis=1) == 0  # in a small sample all users may have the weight 0
    drawn = (weight @ wishes.astype(np.float32)) / weight.sum(axis=1, keepdims=True)  # (B, P)
    share = wishes.mean(axis=0, dtype=np.float64)

    def chance(lift: np.ndarray) -> np.ndarray:
        result: np.ndarray = binom.cdf(live, total, np.minimum(drawn / lift, 1.0)).mean(axis=0)
        return result

    low, high = np.full(len(live), 1 / WIDEST), np.full(len(live), WIDEST)
    for _ in range(HALVINGS):
        middle = np.sqrt(low * high)
        unlikely = chance(middle) <= (1 - LEVEL) / max(looked, 1)
        low, high = np.where(unlikely, middle, low), np.where(unlikely, high, middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = np.where(live > 0, share * total / np.maximum(live, 1), np.where(share > 0, np.inf, np.nan))
    return Lifts(share, live, total, lift, low, chance(np.full(len(live), least)))


def surest(
    by_moment: list[Lifts], places: list[np.ndarray], rows: int, least: float, overlap: float
) -> list[int]:
    """Return the regions whose lift is significantly above `least` at one of the moments `by_moment`, the most significant
    first, each sharing at most `overlap` of its listings with those before it; `rows` is the number of listings.
    """
    chance = np.min([item.chance for item in by_moment], axis=0)
    above = np.max([item.low for item in by_moment], axis=0) >= least
    taken, named = np.zeros(rows, bool), []
    for place in np.argsort(chance, kind="stable"):
        if above[place] and taken[places[place]].mean() <= overlap:
            taken[places[place]] = True
            named.append(int(place))
    return named
