"""A column for type inference, where market.toml does not name the type."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from listing_vibes.market.values import is_textual, to_numbers
from listing_vibes.market.words import gaps

#: A day, optionally with a time: 2024-01-31, 2024-01-31T18:05:00Z, 31.01.2024 18:05, 1/31/2024.
_DAY = r"(?:\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{1,2}/\d{1,2}/\d{4})(?:[T\s]\s*\d{1,2}:\d{2}.{0,24})?"
#: Leading zeros mark codes: postcodes of one length, phone numbers.
_PADDED = re.compile(r"0\d{2,}")
_SOME = 5_000  # cells that dates and numbers are inferred from


@dataclass(frozen=True)
class Claim:
    """A test for a column's type, and its strength; the built-in ones have strengths from 10 to 100."""

    strength: int
    holds: Callable[["Sample"], bool]


@dataclass(frozen=True)
class Sample:
    """A column with at least one non-missing cell; values that several types need are computed once."""

    name: str
    column: pd.Series

    @cached_property
    def present(self) -> pd.Series:
        """The non-missing cells."""
        return self.column.dropna()

    @cached_property
    def has_lists(self) -> bool:
        """Whether cells are lists."""
        return isinstance(self.present.iloc[0], list | tuple | np.ndarray)

    @cached_property
    def is_textual(self) -> bool:
        """Whether cells are strings."""
        return is_textual(self.column) and not self.has_lists

    @cached_property
    def texts(self) -> pd.Series:
        """The cells as text, stripped."""
        return self.present.astype("str").str.strip()

    @cached_property
    def subset(self) -> pd.Series:
        """At most 5,000 of the texts, evenly spread."""
        return self.texts.iloc[np.linspace(0, len(self.texts) - 1, min(_SOME, len(self.texts))).astype(int)]

    @cached_property
    def gaps(self) -> pd.Series:
        """The number of gaps between words in each cell."""
        return self.texts.map(gaps).astype(int)

    @cached_property
    def distinct(self) -> int:
        """The number of distinct cells."""
        return int(self.texts.nunique())

    @property
    def is_identifying(self) -> bool:
        """Whether nearly all cells are distinct, as identifiers are."""
        return self.distinct > 0.95 * len(self.texts) and len(self.texts) > 20

    @cached_property
    def is_date(self) -> bool:
        """Whether nine in ten cells are dates."""
        if pd.api.types.is_datetime64_any_dtype(self.column.dtype):
            return True
        return self.is_textual and bool(self.subset.str.fullmatch(_DAY).mean() >= 0.9)

    @cached_property
    def unparsed(self) -> float:
        """The share of cells that are not numbers."""
        return float(to_numbers(self.subset if self.is_textual else self.present)[1].mean())

    @property
    def has_codes(self) -> bool:
        """Whether the digits are codes, which leading zeros indicate."""
        padded = self.subset.str.fullmatch(_PADDED).mean()
        return bool(padded > 0.5 or (padded >= 0.01 and self.subset.str.len().nunique() == 1))

    def share_with(self, part: str) -> float:
        """The share of cells that contain `part`."""
        return float(self.texts.str.contains(part, regex=False).mean())
