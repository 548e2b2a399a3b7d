"""What holds for many listings of a group and for fewer of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from listing_vibes.errors import printable
from listing_vibes.market.attribute_types import Coded

COMMON, LIFT = (
    0.4,
    1.25,
)  # a trait holds for at least this share of a group, and so many times as often as elsewhere
FINE, SURE = 0.25, 3.5  # a finer one: for this share, and by so many standard errors more often


@dataclass(frozen=True)
class Trait:
    """Something that holds for many listings of a group and for fewer elsewhere."""

    label: str  # of the attribute
    text: str  # the value in words
    piece: str  # both, as part of a name
    inside: float  # share of the group
    outside: float  # share of all others

    @property
    def lift(self) -> float:
        """How many times as often as elsewhere."""
        return self.inside / max(self.outside, 1e-9)


class Held:
    """For how many listings of each of G groups each value holds, counted once.

    Args:
        coded: the values of n listings.
        groups: (n,) the group of each, from 0 to G - 1, -1 for none.
    """

    def __init__(self, coded: Sequence[Coded], groups: np.ndarray) -> None:
        self.size = np.bincount(groups[groups >= 0]) if (groups >= 0).any() else np.zeros(0, int)  # (G,)
        self._coded, self._all, count = coded, len(groups), len(self.size)
        group = np.where(groups < 0, count, groups)  # the last one: listings between the groups
        self._counts = [
            np.bincount(group[place] * len(told) + code, minlength=(count + 1) * len(told)).reshape(count + 1, len(told))
            for _, told, place, code in coded
        ]  # fmt: skip

    def traits(self, group: int) -> list[Trait]:
        """What is common in a group and rarer elsewhere, what tells most first."""
        return self._told(group, None, COMMON, 0.0)

    def finer(self, group: int, other: int | None = None) -> list[Trait]:
        """What surely holds more often for a group than for another one (None: than elsewhere), if for few."""
        return self._told(group, other, FINE, SURE)

    def never_both(self, one: str, other: str) -> bool:
        """Whether no listing has both pieces of a name, though each is told of some."""
        places = [
            place[code == at]
            for piece in (one, other)
            for _, told, place, code in self._coded
            for at, (_, said) in enumerate(told)
            if printable(said) == piece
        ]
        return len(places) == 2 and not len(np.intersect1d(*places))

    def _told(self, group: int, other: int | None, common: float, sure: float) -> list[Trait]:
        found: list[tuple[Trait, tuple[int, int]]] = []  # with the number of the attribute and of the value
        mine = max(1, int(self.size[group]))
        theirs = max(1, self._all - mine if other is None else int(self.size[other]))
        for number, ((label, told, _, _), counts) in enumerate(zip(self._coded, self._counts, strict=True)):
            total = counts.sum(axis=0) if other is None else counts[group] + counts[other]
            inside, outside = counts[group] / mine, (total - counts[group]) / theirs
            pooled = total / (mine + theirs)
            error = np.sqrt(np.maximum(pooled * (1 - pooled), 0) * (1 / mine + 1 / theirs))
            holds = (inside >= common) & (inside >= LIFT * outside) & (inside - outside >= sure * error)
            for at in np.flatnonzero(holds):
                text, piece = map(printable, told[at])
                trait = Trait(label, text, piece, float(inside[at]), float(outside[at]))
                found.append((trait, (number, int(at))))
        kept: list[tuple[Trait, tuple[int, int]]] = []
        for one, value in sorted(found, key=lambda one: -one[0].inside * np.log(one[0].lift)):
            if not any(self._says(value, other) for _, other in kept):
                kept.append((one, value))
        return [trait for trait, _ in kept]

    def _says(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether of two values of one attribute one holds only where the other does, as a year does within its third."""
        if one[0] != other[0]:
            return False
        _, _, place, code = self._coded[one[0]]
        mine, theirs = place[code == one[1]], place[code == other[1]]
        return len(np.intersect1d(mine, theirs)) == min(len(mine), len(theirs))
