"""Issues of a market that remain usable: counted, named, and repaired or skipped."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Issue:
    """One kind of issue: where it first occurs, how often, and how it was handled."""

    file: str
    column: str
    row: int  # 1-based data row of the first one; 0 for a file or column
    value: str  # the first offending value
    message: str  # what is wrong, and how it was or should be handled
    count: int = 1
    #: (count,) int64, 0-based rows of the table as it was read; empty for a file or column.
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), compare=False, repr=False)

    def __str__(self) -> str:
        where = f"{self.file}, column {self.column}" if self.column else self.file
        if self.row:
            where += f", row {self.row}"
        times = f" ({self.count} rows)" if self.count > 1 else ""
        shown = f": '{self.value[:60]}'" if self.value else ""
        return f"{where}{shown} {self.message}{times}"

    def within(self, rows: np.ndarray) -> Issue:
        """Return the same issue for the full table, of which only the `rows` (n,) were read."""
        if not len(self.rows):
            return self
        return replace(self, row=int(rows[self.rows[0]]) + 1, rows=rows[self.rows])


@dataclass
class Notes:
    """Collect the issues of one file."""

    file: str
    issues: list[Issue] = field(default_factory=list)

    def add(self, column: str, bad: np.ndarray, values: pd.Series, message: str) -> None:
        """Record the rows where `bad` (N,) is true, if any, as one issue."""
        rows = np.flatnonzero(bad)
        if len(rows):
            cell = values.iloc[rows[0]]
            value = "" if pd.api.types.is_scalar(cell) and pd.isna(cell) else str(cell)
            self.issues.append(Issue(self.file, column, int(rows[0]) + 1, value, message, len(rows), rows))

    def add_column(self, column: str, message: str) -> None:
        """Record an issue of a column."""
        self.issues.append(Issue(self.file, column, 0, "", message))

    def unread(self, raw: pd.DataFrame, used: Collection[str]) -> None:
        """Record the columns of `raw` that this table does not use."""
        for name in map(str, raw.columns):
            if name not in used:
                self.add_column(name, "is not a column of this table and is ignored")
