"""What an attribute becomes for a model: a vocabulary fitted on the training period, and numbers for tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from listing_vibes.market.garbage import none_meanwhile

#: Known members of a set, or words of a text, at most.
MOST_VALUES = 4000
#: Different cells, at most, that are kept to tell which say the same.
ALIKE = 100_000
#: Share of values beyond what a vocabulary can tell apart, above which it no longer serves.
MOST = 0.5


class AttributeVocabulary(BaseModel):
    """What one attribute's values become; ids are global, 0 is "no value"."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str
    kind: str
    label: str = ""  # word pieces: what names the attribute in a listing's words
    first: int = Field(0, ge=0)  # id of the first value; then in the order of `values`
    values: list[str] = []  # known values: categories, members of a set, words
    edges: list[float] = []  # number: ascending quantile edges, n + 1 for n bins
    grids: list[
        Annotated[list[list[float]], Field(min_length=2, max_length=2)]
    ] = []  # place: for each grid the inner latitude and longitude edges
    buckets: int = Field(0, ge=0)  # ids after the values, for unseen ones

    @property
    def size(self) -> int:
        """How many ids the attribute takes: the values, the buckets, the bins, the map cells, in this order."""
        cells = sum((len(lat) + 1) * (len(lon) + 1) for lat, lon in self.grids)
        return len(self.values) + self.buckets + max(len(self.edges) - 1, 0) + cells


@dataclass(frozen=True, eq=False)
class Told:
    """n tokens of one slot, at most one a listing.

    Attributes:
        listing: (n,) rows, ascending.
        key: which of the kind's `keys` they have.
        value: (n,) ids; None: none.
        bin, fraction: (n,) the bin of a piecewise-linear encoding, from 0, and how far through it in [0, 1]; None: none.
        sets: the ids of each token's set; None: no sets.
    """

    listing: np.ndarray
    key: int = 0
    value: np.ndarray | None = None
    bin: np.ndarray | None = None
    fraction: np.ndarray | None = None
    sets: list[list[int]] | None = None

    @property
    def ids(self) -> np.ndarray:
        """All ids that the tokens have, one after another."""
        if self.value is not None:
            return self.value
        return np.fromiter(chain.from_iterable(self.sets or ()), np.int64)

    @classmethod
    def of_sets(cls, sets: list[list[int]], key: int = 0) -> Told:
        """A token for each of the L `sets` that is not empty."""
        present = np.flatnonzero([len(one) > 0 for one in sets])
        return cls(present, key, sets=[sets[row] for row in present])


def frequent(counts: Mapping[str, int], min_count: int) -> list[str]:
    """The values that occur at least `min_count` times, the frequent ones first."""
    kept = [(value, count) for value, count in counts.items() if count >= min_count]
    return [value for value, _ in sorted(kept, key=lambda item: (-item[1], item[0]))]


def members_count(cells: Iterable[Iterable[str]]) -> Counter[str]:
    """In how many cells each member occurs; cells that say the same are taken apart once."""
    found: Counter[str] = Counter()
    left = iter(cells)
    while some := list(islice(left, ALIKE)):
        for cell, count in Counter(map(tuple, some)).items():
            for member in set(cell):
                found[member] += count
    return found


def ids_of(entry: AttributeVocabulary) -> dict[str, int]:
    """Id of each known value."""
    return {value: entry.first + position for position, value in enumerate(entry.values)}


def member_ids(
    entry: AttributeVocabulary, cells: Iterable[Iterable[str]], alike: bool = True
) -> list[list[int]]:
    """Ids of the known members of each cell, each once; empty where there is none. Where many cells are `alike`, those that say
    the same are looked up once and share a list."""
    known = ids_of(entry)
    with none_meanwhile():
        if not alike:
            return [[known[member] for member in dict.fromkeys(cell) if member in known] for cell in cells]
        read: dict[tuple[str, ...], list[int]] = {}
        found = []
        for cell in cells:
            key = tuple(cell)
            ids = read.get(key)
            if ids is None:
                ids = [known[member] for member in dict.fromkeys(key) if member in known]
                if len(read) < ALIKE:
                    read[key] = ids
            found.append(ids)
        return found
