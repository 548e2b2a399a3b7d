"""The vocabulary of an attribute, fitted on the training period, its tokens, and its values as traits of groups of listings."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from listing_vibes.market.values import no_garbage_collection

#: The most known members of a set, or words of a text.
MOST_VALUES = 4000
#: (label, [(value in words, piece of a name)], positions of the listings, the values' numbers) of one attribute.
Coded = tuple[str, list[tuple[str, str]], np.ndarray, np.ndarray]
MOST_TRAITS = 200  # the most frequent values of an attribute that are used
_NUMBER = re.compile(r"\d+([.,]\d+)?")
_IDENTIFIER = re.compile(r"\d{6,}|[0-9a-f-]{16,}", re.IGNORECASE)
#: Above this share of values that a vocabulary cannot distinguish, it has to be fitted again.
MOST_BEYOND = 0.5


class AttributeVocabulary(BaseModel, extra="forbid", allow_inf_nan=False):
    """The vocabulary of one attribute; ids are global, 0 is "no value"."""

    name: str
    kind: str
    label: str = ""  # word pieces: the attribute's name in a listing's words
    first: int = Field(0, ge=0)  # id of the first value; then in the order of `values`
    values: list[str] = []  # known values: categories, members of a set, words
    edges: list[float] = []  # number: ascending quantile edges, n + 1 for n bins
    grids: list[
        Annotated[list[list[float]], Field(min_length=2, max_length=2)]
    ] = []  # place: for each grid the inner latitude and longitude edges
    buckets: int = Field(0, ge=0)  # number of ids for unseen values, after those of `values`

    @property
    def size(self) -> int:
        """The number of ids of the attribute: the values, the buckets, the bins, the map cells, in this order."""
        cells = sum((len(lat) + 1) * (len(lon) + 1) for lat, lon in self.grids)
        return len(self.values) + self.buckets + max(len(self.edges) - 1, 0) + cells

    @property
    def ids(self) -> dict[str, int]:
        """The id of each known value."""
        return {value: self.first + position for position, value in enumerate(self.values)}


@dataclass(frozen=True, eq=False)
class Tokens:
    """n tokens of one slot, at most one for each listing.

    Attributes:
        listing: (n,) rows, ascending.
        key: the index of their key among the type's `keys`.
        value: (n,) ids; None: none.
        bin, fraction: (n,) the bin of a piecewise-linear encoding, from 0, and the position in it in [0, 1]; None: none.
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
        """All ids of the tokens, concatenated."""
        if self.value is not None:
            return self.value
        return np.fromiter(chain.from_iterable(self.sets or ()), np.int64)

    @classmethod
    def of_values(cls, ids: np.ndarray) -> "Tokens":
        """Return a token for each of the ids (L,) that is not 0."""
        present = np.flatnonzero(ids > 0)
        return cls(present, value=ids[present])

    @classmethod
    def of_sets(cls, sets: list[list[int]], key: int = 0) -> "Tokens":
        """Return a token for each of the L `sets` that is not empty."""
        present = np.flatnonzero([len(ids) > 0 for ids in sets])
        return cls(present, key, sets=[sets[row] for row in present])


def frequent(values: Iterable[str], min_count: int) -> list[str]:
    """Return the values that occur at least `min_count` times, the most frequent first."""
    counts = [(value, count) for value, count in Counter(values).items() if count >= min_count]
    return [value for value, _ in sorted(counts, key=lambda item: (-item[1], item[0]))]


def member_ids(entry: AttributeVocabulary, cells: Iterable[Iterable[str]]) -> list[list[int]]:
    """Return the ids of the known members of each cell, without duplicates; empty where there are none."""
    available = entry.ids
    with no_garbage_collection():
        return [
            [available[member] for member in dict.fromkeys(cell) if member in available] for cell in cells
        ]


def inside(label: str) -> str:
    """Return a label for use within a name: "Price" becomes "price", "URL" stays."""
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


def coded_values(label: str, values: pd.Series) -> Coded:
    """Return each frequent value as a trait; the index of `values` is the listings' positions, which may repeat."""
    values = values.astype(str)
    frequent = [
        value for value in values.value_counts().index[:MOST_TRAITS] if not _IDENTIFIER.fullmatch(value)
    ]
    codes = pd.Index(frequent).get_indexer(values)
    is_frequent = codes >= 0
    # A bare number is meaningless without its label.
    words = [
        (value, f"{inside(label)}: {value}" if _NUMBER.fullmatch(value) else value) for value in frequent
    ]
    return label, words, values.index.to_numpy()[is_frequent], codes[is_frequent]
