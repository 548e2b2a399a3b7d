"""How far attributes, photos and histories have moved from what trained, and how far chance alone moves so few of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from listing_vibes.errors import printable
from listing_vibes.features.seen import PhotoSpread, SeenMarket, Spread
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.market import Market
from listing_vibes.serving.monitor.checks import Check, Thresholds
from listing_vibes.words import count

#: All tests of drift together are crossed by chance in one look of a hundred.
ALPHA = 0.01
#: Draws of what chance makes; listings that a group needs; photos of them that are looked at.
DRAWS, FEWEST, MOST = 4000, 20, 5000
#: What to do about a shift where a run was trained on its market.
TRAIN = "train the run again"


@dataclass(frozen=True)
class Group:
    """Listings that are compared with those that trained: `words` names them in a sentence."""

    name: str
    words: str
    rows: np.ndarray  # (n,)


def attribute_checks(
    seen: SeenMarket,
    market: Market,
    groups: Sequence[Group],
    labels: Mapping[str, str],
    limits: Thresholds,
    advice: str = TRAIN,
) -> list[Check]:
    """A check an attribute that both have: the group that lies farthest beyond chance.

    The floor is drawn, not set: shares of samples as large as the two from one distribution, that of both together, differ
    by so much. A set counts as one draw a listing.

    Args:
        market: as the model reads it, see `listing_vibes.features.seen.read_by`.
        advice: what to do where a shift stays, "" where nothing helps.
    """
    kinds = {one.name: one.kind for one in market.attributes}
    known = {name: s for name, s in seen.attributes.items() if kinds.get(name) == s.entry.kind}
    groups = [group for group in groups if len(group.rows) >= FEWEST]
    level = ALPHA / max(1, len(known) * len(groups))
    found = []
    for name, spread in known.items():
        tries = [_moved(spread, seen.listings, market, group, level, limits) for group in groups]
        if not tries:
            continue
        most = max(tries, key=lambda one: (one.crossed, len(one.gone), one.value - one.floor))
        found.append(most.check(labels.get(name, name), advice))
    return found


@dataclass(frozen=True)
class _Moved:
    spread: Spread
    now: Spread
    listings: pd.DataFrame
    group: Group
    value: float
    chance: float
    floor: float
    gone: list[str]
    crossed: bool

    def check(self, label: str, advice: str) -> Check:
        share, count_ = f"{self.value:.0%} of the values would have to move", f"up to {self.floor:.0%}"
        moved = f"{label} of {self.group.words}: {_told(self)}"
        gone = f"{_listed(self.gone)} {'is' if len(self.gone) == 1 else 'are'} gone; " if self.gone else ""
        sentence = f"{moved}{gone}{share}, by chance {count_}."
        look = (
            f"{self.group.words} by {label}, where they come from, and whether one unit or spelling changed"
        )
        return Check(
            name="attribute", of=self.spread.entry.name, group=self.group.name, value=self.value, floor=self.floor,
            crossed=self.crossed, sentence=sentence,
            look=f"{look}; if it stays so, {advice}." if advice else f"{look}.",
        )  # fmt: skip


def _moved(
    spread: Spread, listings: int, market: Market, group: Group, level: float, limits: Thresholds
) -> _Moved:
    some = market.listings.iloc[group.rows].reset_index(drop=True)
    now = Spread.by(spread.entry, some)
    before, after, number = spread.whole, now.whole, len(some)
    value = float(0.5 * np.abs(before - after).sum())
    both = (listings * before + number * after) / (listings + number)
    rng = np.random.default_rng(0)
    one, two = (rng.multinomial(size, both / both.sum(), DRAWS) / size for size in (listings, number))
    drawn = 0.5 * np.abs(one - two).sum(axis=1)  # (DRAWS,)
    chance, floor = float(drawn.mean()), float(np.quantile(drawn, max(1 - level, 0)))
    gone = []
    if limits.gone_share is not None and not type_of(spread.entry.kind).sentences:
        for place, name in enumerate(spread.entry.values):
            had = before[place]
            if had >= limits.gone_share and now.shares[place] == 0 and (1 - had) ** number < level / 10:
                gone.append(f"'{printable(name)}' (was {had:.0%})")
    shifted = limits.attribute_shift is not None and value > floor and value - chance > limits.attribute_shift
    return _Moved(spread, now, some, group, value, chance, floor, gone, bool(shifted or gone))


def _told(moved: _Moved) -> str:
    """What moved most, in words; empty where nothing did beyond chance."""
    if moved.value <= moved.floor:
        return ""
    entry, change = moved.spread.entry, moved.now.whole - moved.spread.whole
    if abs(change[-1]) >= np.abs(change[:-1]).max(initial=0):
        return f"missing were {moved.spread.missing:.0%} and are {moved.now.missing:.0%}; "
    if entry.edges:
        middle = np.interp(
            0.5, np.cumsum([0, *moved.spread.shares]) / max(sum(moved.spread.shares), 1e-9), entry.edges
        )
        here = moved.listings[entry.name].astype(float).median()
        return f"the median was {middle:,.4g} and is {here:,.4g}; "
    if not entry.values:
        return ""
    place = int(np.abs(change[:-1]).argmax())
    name = (
        f"'{printable(entry.values[place])}'"
        if place < len(entry.values)
        else "what the training knew rarely or not"
    )
    return f"{name} was {moved.spread.whole[place]:.0%} and is {moved.now.whole[place]:.0%}; "


def photo_check(
    seen: SeenMarket, vectors: np.ndarray, listing: np.ndarray, groups: Sequence[Group], limits: Thresholds
) -> Check | None:
    """How far the photos of a group lie from those that trained: the group that lies farthest beyond chance.

    Chance draws as many listings from all others; the photos of one listing, which are alike, are drawn together.

    Args:
        vectors: (P, d) by the model's photo encoder, reduced as for `seen`.
        listing: (P,) row of the listing of each.
    """
    if seen.photos is None:
        return None
    tries = []
    shown = np.unique(listing)
    for group in groups:
        mine = np.intersect1d(group.rows, shown)
        rest = np.setdiff1d(shown, group.rows)
        if len(rest) < len(mine):  # nearly all are new
            rest = shown
        if len(mine) >= FEWEST:
            value = seen.photos.distance(_spread(vectors, listing, mine))
            rng = np.random.default_rng(0)
            drawn = [
                seen.photos.distance(_spread(vectors, listing, rng.choice(rest, len(mine))))
                for _ in range(200)
            ]
            tries.append((value, float(np.mean(drawn)), float(np.max(drawn)), group))
    if not tries:
        return None
    value, chance, floor, group = max(tries, key=lambda one: one[0] - one[2])
    crossed = limits.photo_shift is not None and value > floor and value - chance > limits.photo_shift
    return Check(
        name="photos", group=group.name, value=value, floor=floor, crossed=bool(crossed),
        sentence=f"Photos of {group.words} lie {value:.0%} of the known spread away from those that trained, by chance up to {floor:.0%}.",
        look=f"the photos of {group.words}: are they sharp, whole, and of the listings?",
    )  # fmt: skip


def _spread(vectors: np.ndarray, listing: np.ndarray, chosen: np.ndarray) -> PhotoSpread:
    """Of all photos of the listings `chosen`, each as often as it was drawn."""
    order = np.argsort(listing, kind="stable")
    left, right = (np.searchsorted(listing[order], chosen, side) for side in ("left", "right"))
    rows = np.concatenate([order[a:b] for a, b in zip(left, right, strict=True)])
    return PhotoSpread.by(vectors[rows[:MOST]])


def history_check(before: np.ndarray, after: np.ndarray, actions: tuple[np.ndarray, np.ndarray], limits: Thresholds) -> Check | None:  # fmt: skip
    """How far what people looked at last has moved: vectors of histories (n, d) that trained, and of the newest.

    Chance deals all of them out anew, whoever they are of (a permutation test).

    Args:
        actions: (n, a) how often each action is in each history, of the two.
    """
    if min(len(before), len(after)) < FEWEST:
        return None
    both, shares = np.concatenate([before, after]), np.concatenate(actions)
    centred = both - both.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    reduced, count_ = centred @ axes.T, len(before)

    def apart(order: np.ndarray) -> tuple[float, float]:
        one, two = order[:count_], order[count_:]
        far = PhotoSpread.by(reduced[one]).distance(PhotoSpread.by(reduced[two]))
        sums = [shares[rows].sum(axis=0) / max(shares[rows].sum(), 1) for rows in (one, two)]
        return far, float(0.5 * np.abs(sums[0] - sums[1]).sum())

    value, mix = apart(np.arange(len(both)))
    rng = np.random.default_rng(0)
    drawn = np.array([apart(rng.permutation(len(both))) for _ in range(200)])  # (200, 2)
    (floor, most), chance = drawn.max(axis=0), drawn.mean(axis=0)
    limit = limits.history_shift
    moved = limit is not None and value > floor and value - chance[0] > limit
    acted = limit is not None and mix > most and mix - chance[1] > limit
    told = f"; {mix:.0%} of their actions would have to be others, by chance up to {most:.0%}" if most else ""
    return Check(
        name="histories", value=value, floor=float(floor), crossed=bool(moved or acted),
        sentence=f"What {count(len(after), 'user')} looked at last lies {value:.0%} of the spread away from what trained, by chance up "
        f"to {floor:.0%}{told}.",
        look="the page Users at a late and an early date: who came that did not come before, and what they look for.",
    )  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
