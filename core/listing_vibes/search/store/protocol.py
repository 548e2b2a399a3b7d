"""What a vector store can do; `FaissStore` (a folder) and `MilvusStore` (a file or a server) do it alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Between:
    """A condition: the value is at least `low` and at most `high`; None leaves a side open."""

    low: float | int | None = None
    high: float | int | None = None


Value = str | bool | int | float
Condition = Value | Collection[Value] | Between  # equal to, one of, within
#: All conditions, by the name of an attribute, have to hold; a missing value fulfils none.
Filter = Mapping[str, Condition]


class Found(NamedTuple):
    """The nearest of each query, best first."""

    ids: np.ndarray  # (B, k) object: str, None where there are fewer
    scores: np.ndarray  # (B, k) float32, cosine; -inf where there are fewer


class VectorStore(Protocol):
    """Listings of one space: id, L2-normalised vector and attributes to filter by.

    Changes are seen by this object's own searches at once, and by others after `save`.
    """

    width: int

    def __len__(self) -> int:
        """How many listings can be found."""

    def ids(self) -> list[str]:
        """Ids of all listings that can be found, in no order."""

    def upsert(self, ids: Sequence[str], vectors: np.ndarray, attributes: pd.DataFrame | None = None) -> None:
        """Add listings, or replace those that are there.

        Args:
            ids: n ids, each once.
            vectors: (n, width) float32, L2-normalised; a listing whose row is zero has nothing in this space, so
                that it is taken out.
            attributes: n rows in the order of `ids`, columns of text, numbers and flags.

        Raises:
            VibesError: shapes that do not fit, an id twice, a value that is not finite.
        """

    def delete(self, ids: Sequence[str]) -> None:
        """Take listings out; ids that are not there are passed over."""

    def search(self, queries: np.ndarray, k: int, filter: Filter | None = None) -> Found:
        """The `k` nearest of each query by cosine.

        Args:
            queries: (B, width) float32, L2-normalised.
            filter: conditions that a listing must fulfil, applied before the `k` are taken.

        Raises:
            VibesError: queries of another width, a condition on an attribute that is not kept here, or one that no attribute
                can be compared with.
        """

    def save(self) -> None:
        """Publish all changes at once: whoever opens the store sees the state before or after, never between."""

    @classmethod
    def open(cls, place: Path | str, width: int | None = None) -> Self:
        """Open the store at `place`; with `width`, an empty one is made where there is none.

        Raises:
            VibesError: there is none, it is damaged, or its vectors have another width.
        """
