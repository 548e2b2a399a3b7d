"""A column as kinds look at it where no configuration says what it is."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from listing_vibes.market.values import is_textual
from listing_vibes.market.words import gaps, unspaced

#: A day, maybe with a time: 2024-01-31, 2024-01-31T18:05:00Z, 31.01.2024 18:05, 1/31/2024.
_DAY = re.compile(
    r"(\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{1,2}/\d{1,2}/\d{4})([T\s]\s*\d{1,2}:\d{2}.{0,24})?"
)
_ENOUGH = 1_000  # cells by which a column of dates is known


@dataclass(frozen=True)
class Claim:
    """A test by which a column is taken for a kind, and how strong a reason it is; the built-in ones have 10 to 100."""

    strength: int
    holds: Callable[["Cells"], bool]


@dataclass(frozen=True)
class Cells:
    """A column of which at least one cell is there; what several kinds ask for is worked out once."""

    name: str
    column: pd.Series

    @cached_property
    def present(self) -> pd.Series:
        """The cells that are there."""
        return self.column.dropna()

    @cached_property
    def listed(self) -> bool:
        """Cells are lists."""
        return isinstance(self.present.iloc[0], list | tuple | np.ndarray)

    @cached_property
    def textual(self) -> bool:
        """Cells are strings."""
        return is_textual(self.column) and not self.listed

    @cached_property
    def words(self) -> pd.Series:
        """Cells as text without white space around it."""
        return self.present.astype("str").str.strip()

    @cached_property
    def gaps(self) -> pd.Series:
        """How often one word ends and another begins in each cell; the first thousand tell whether a script needs no spaces."""
        if any(map(unspaced, self.words.iloc[:_ENOUGH])):
            return self.words.map(gaps).astype(int)
        return self.words.str.count(" ")

    @cached_property
    def some(self) -> set[str]:
        """Up to 50 different cells, in lower case."""
        return set(self.words.str.lower().unique()[:50])

    @cached_property
    def unique(self) -> float:
        """Share of different cells."""
        return self.words.nunique() / len(self.words)

    @property
    def identifying(self) -> bool:
        """Nearly every cell differs from all others, as identifiers do."""
        return self.unique > 0.95 and len(self.words) > 20

    @cached_property
    def dated(self) -> bool:
        """Nine in ten cells are dates, as far as the first thousand tell."""
        first = self.words.iloc[:_ENOUGH]
        return self.textual and bool(np.mean([_DAY.fullmatch(cell) is not None for cell in first]) >= 0.9)

    def holding(self, part: str) -> float:
        """Share of cells in which `part` stands."""
        return float(self.words.str.contains(part, regex=False).mean())
