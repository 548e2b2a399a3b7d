"""Drift of attributes and photos since training, with significance tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from listing_vibes.errors import printable
from listing_vibes.features.market_summary import AttributeSpread, MarketSummary, PhotoSpread
from listing_vibes.market.market import Market
from listing_vibes.serving.monitor.checks import ALPHA, FEWEST, Check, Thresholds

#: Permutations of a test, and maximum number of a group's photos that are read.
PERMUTATIONS, MOST = 200, 5000
#: Advice on a shift if the run was trained on its market.
TRAIN = "train the run again"


@dataclass(frozen=True)
class ListingGroup:
    """Listings to compare with those in training; `words` names them in a sentence."""

    name: str
    words: str
    rows: np.ndarray  # (n,)


def permutation_p(statistic: Callable[[np.ndarray], float], chosen: np.ndarray, rest: np.ndarray) -> float:
    """Return the p-value of the `statistic` of the values `chosen`, against as many values drawn from all."""
    if len(rest) < 2:
        return 1.0
    return float(
        stats.permutation_test(
            (chosen, rest), lambda drawn, _: statistic(drawn), vectorized=False, n_resamples=PERMUTATIONS,
            alternative="greater", rng=0,
        ).pvalue
    )  # fmt: skip


def attribute_checks(
    seen: MarketSummary,
    market: Market,
    groups: Sequence[ListingGroup],
    labels: Mapping[str, str],
    limits: Thresholds,
    advice: str = TRAIN,
) -> list[Check]:
    """Return one check per shared attribute, for the group that differs most by a chi-square test.

    Args:
        market: the market as seen by the model, see `listing_vibes.features.market_summary.view_market`.
        advice: what to do about a lasting shift; "" if nothing helps.
    """
    kinds = {attribute.name: attribute.kind for attribute in market.attributes}
    available = {name: s for name, s in seen.attributes.items() if kinds.get(name) == s.entry.kind}
    groups = [group for group in groups if len(group.rows) >= FEWEST]
    level, limit = ALPHA / max(1, len(available) * len(groups)), limits.attribute_shift

    def check(spread: AttributeSpread, group: ListingGroup) -> Check:
        rows, label = market.listings.iloc[group.rows], labels.get(spread.entry.name, spread.entry.name)
        now = AttributeSpread.by(spread.entry, rows.reset_index(drop=True))
        before, after = spread.distribution, now.distribution
        value, p = (
            float(0.5 * np.abs(before - after).sum()),
            _chi_square_p(seen.listings * before, len(rows) * after),
        )
        change = f"{_describe_change(spread, now, rows)}; " if p < level else ""
        hint = f"{group.words} by {label}, where they come from, and whether one unit or spelling changed"
        return Check(
            name="attribute", of=spread.entry.name, group=group.name, value=value, p=p,
            crossed=limit is not None and value > limit and p < level,
            sentence=f"{label} of {group.words}: {change}{value:.0%} of the values would have to move (p {p:.3f}).",
            hint=f"{hint}; if it stays so, {advice}." if advice else f"{hint}.",
        )  # fmt: skip

    checks = [[check(spread, group) for group in groups] for spread in available.values()]
    return [min(each, key=lambda item: (not item.crossed, item.p)) for each in checks if each]


def _chi_square_p(before: np.ndarray, after: np.ndarray) -> float:
    """Return the p-value of two rows of counts; rare values are merged."""
    table = np.round(np.stack([before, after]))
    is_rare = table.sum(axis=0) < 10
    table = np.column_stack([table[:, ~is_rare], table[:, is_rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    return float(stats.chi2_contingency(table).pvalue) if table.shape[1] > 1 else 1.0


def _describe_change(spread: AttributeSpread, now: AttributeSpread, rows: pd.DataFrame) -> str:
    """Describe the largest change in words."""
    entry, change = spread.entry, now.distribution - spread.distribution
    if abs(change[-1]) >= np.abs(change[:-1]).max(initial=0):
        return f"missing were {spread.missing:.0%} and are {now.missing:.0%}"
    if entry.edges:
        shares = np.cumsum([0, *spread.shares]) / max(sum(spread.shares), 1e-9)
        middle, here = np.interp(0.5, shares, entry.edges), rows[entry.name].astype(float).median()
        return f"the median was {middle:,.4g} and is {here:,.4g}"
    place = int(np.abs(change[:-1]).argmax())
    name = f"'{printable(entry.values[place])}'" if place < len(entry.values) else "share of other values"
    return f"{name} was {spread.distribution[place]:.0%} and is {now.distribution[place]:.0%}"


def photo_check(
    seen: MarketSummary,
    vectors: np.ndarray,
    listing: np.ndarray,
    groups: Sequence[ListingGroup],
    limits: Thresholds,
) -> Check | None:
    """Return the distance of a group's photos from those in training, tested by permutation; of the groups, the smallest p-value.

    Args:
        vectors: (P, d) of the model's photo encoder, reduced as for `seen`.
        listing: (P,) row of each photo's listing.
    """
    trained, limit = seen.photos, limits.photo_shift
    if trained is None:
        return None
    order, has_photos = np.argsort(listing, kind="stable"), np.unique(listing)

    def distance(rows: np.ndarray) -> float:
        left, right = (np.searchsorted(listing[order], rows, side) for side in ("left", "right"))
        photos = np.concatenate([order[a:b] for a, b in zip(left, right, strict=True)])
        return trained.distance(PhotoSpread.by(vectors[photos[:MOST]]))

    checks = []
    for group in groups:
        mine, rest = np.intersect1d(group.rows, has_photos), np.setdiff1d(has_photos, group.rows)
        if len(mine) >= FEWEST:
            value = distance(mine)
            p = permutation_p(distance, mine, rest)
            checks.append(Check(
                name="photos", group=group.name, value=value, p=p,
                crossed=limit is not None and value > limit and p < ALPHA,
                sentence=f"Photos of {group.words} lie {value:.0%} of the known spread away from those that trained (p {p:.3f}).",
                hint=f"the photos of {group.words}: are they sharp, complete, and of the listings?",
            ))  # fmt: skip
    return min(checks, key=lambda item: (item.p, -(item.value or 0)), default=None)
