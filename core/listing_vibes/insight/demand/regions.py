"""Regions of a space for the test of demand: candidates, the lift of demand over supply in them, and the significant ones.

Candidates are the branches of a tree over the listings, with small regions inside larger ones, as in the tree-based scan statistic
(Kulldorff, Fang and Walsh 2003, "A tree-based scan statistic for database disease surveillance"); the tree is Ward's (1963).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from listing_vibes.insight.kmeans import spherical_kmeans

SMALLEST, SHARE = 20, 0.02  # minimum size of a region: number of listings, and share of all listings
LARGEST = 1 / 3  # maximum share of a region
SINGLE = 3000  # number of listings up to which the leaves of the tree are single listings
GROUPS, SAMPLE = 500, 10_000  # with more listings, the leaves are so many clusters of a sample
OVERLAP = 0.2  # maximum share of a region's listings that are in a more significant region
DRAWS = 200  # draws of the bootstrap over users
LEVEL = 0.95
HALVINGS, WIDEST = 30, 1e4  # steps of the bisection, and the largest lift


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


class Lifts(NamedTuple):
    """The lift of P regions: users per active listing, relative to the market."""

    share: np.ndarray  # (P,) share of all demand in the region
    low: (
        np.ndarray
    )  # (P,) lower bound of the lift, with the confidence `LEVEL` for all regions simultaneously
    p_value: np.ndarray  # (P,) of the null hypothesis that the lift is `least`; not corrected


def measure_lifts(
    demand: np.ndarray, active: np.ndarray, total: int, least: float, tests: int, seed: int = 0
) -> Lifts:
    """Return the lifts of regions by the share of each user's demand in them, `demand` (U, P) from 0 to 1.

    Users are resampled (Poisson bootstrap, Hanley and MacGibbon 2006). Given their share, the number of active listings in a
    region is binomial where supply follows demand, and the bound inverts that test (Clopper and Pearson 1934), each region at
    the level corrected for the number of tests over all moments (Bonferroni).

    Args:
        active: (P,) active listings of each region, of `total`.
        least: the minimum lift.
    """
    from scipy.special import bdtr  # a slow import, deferred for pages that need no lift

    weight = np.random.default_rng(seed).poisson(1.0, (DRAWS, len(demand))).astype(np.float32)  # (B, U)
    weight[:, 0] += weight.sum(axis=1) == 0  # in a small sample all users may have the weight 0
    drawn = (weight @ demand.astype(np.float32)) / weight.sum(axis=1, keepdims=True)  # (B, P)

    def p_value(lift: np.ndarray) -> np.ndarray:
        result: np.ndarray = bdtr(active, total, np.minimum(drawn / lift, 1.0)).mean(axis=0)
        return result

    low, high = np.full(len(active), 1 / WIDEST), np.full(len(active), WIDEST)
    for _ in range(HALVINGS):
        middle = np.sqrt(low * high)
        is_rejected = p_value(middle) <= (1 - LEVEL) / max(tests, 1)
        low, high = np.where(is_rejected, middle, low), np.where(is_rejected, high, middle)
    share = demand.mean(axis=0, dtype=np.float64)
    return Lifts(share, low, p_value(np.full(len(active), least)))


def select_regions(lifts: list[Lifts], regions: list[np.ndarray], rows: int, least: float) -> list[int]:
    """Return the regions whose lift is significantly above `least` at one of the moments, the most significant first.

    Each shares at most `OVERLAP` of its listings with those before it; `rows` is the number of listings.
    """
    p_value = np.min([item.p_value for item in lifts], axis=0)
    is_above = np.max([item.low for item in lifts], axis=0) >= least
    taken, selected = np.zeros(rows, bool), []
    for region in np.argsort(p_value, kind="stable"):
        if is_above[region] and taken[regions[region]].mean() <= OVERLAP:
            taken[regions[region]] = True
            selected.append(int(region))
    return selected
