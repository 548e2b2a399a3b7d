"""The state between refreshes: how far the sources were read, and which rows were rejected.

It is stored in the run folder and written after the publication, so after an interrupted refresh the same rows are read again, which
changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.io import neutralized, read_stored_table, write_table
from listing_vibes.market.issues import Issue
from listing_vibes.market.user_names import UserNames
from listing_vibes.market.values import as_ids
from listing_vibes.run.versions import stamp_of
from listing_vibes.serving.refresh.sources import Frame, Marks

STATE, REJECTED = "refresh.json", "rejected.csv"
REJECT_COLUMNS = ("file", "row", "column", "problem", "cells")
#: Maximum number of rows of `rejected.csv`; the newest are kept.
MOST_REJECTED = 100_000


@dataclass
class RefreshState:
    """The content of `refresh.json`.

    Attributes:
        embedded: id of the embedding of the run that the marks belong to; after a new embedding everything is read again.
        marks: marks by source and place.
        earlier: the marks from before the run was embedded again.
        replaced: digests of the files in the market's folder that the published state replaces.
        failing: since when frames of photos have some that cannot be read or fetched, in seconds since 1970.
    """

    embedded: list[Any] = field(default_factory=list)
    marks: dict[str, dict[str, Marks]] = field(default_factory=dict)
    earlier: dict[str, dict[str, Marks]] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    failing: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, run: Path) -> RefreshState:
        """Read the state of a run; an empty one before the first refresh.

        Raises:
            VibesError: the file is damaged.
        """
        stamp = stamp_of(run)

        def parse(stored: Any) -> RefreshState:
            return cls(**{name: stored[name] for name in stored if name in cls.__dataclass_fields__})

        state = read_json(run / STATE, "remove it, and refresh again", parse) or cls()
        embedded = [stamp.base, stamp.made]
        if state.embedded != embedded:
            state.embedded, state.earlier, state.marks = embedded, state.marks or state.earlier, {}
        return state

    def save(self, run: Path) -> None:
        """Write the state into the run folder."""
        write_json(run / STATE, asdict(self))


def save_rejected(run: Path, issues: Sequence[tuple[Frame, Issue]], names: UserNames) -> int:
    """Append the rows of `issues` to `rejected.csv`, with hashed users if the market hashes them; return their number.

    A row that a source returns repeatedly is stored once.
    """
    rows = [row for frame, issue in issues for row in _rejected_rows(frame.rows, issue, names)]
    if not rows:
        return 0
    new = pd.DataFrame(rows, columns=list(REJECT_COLUMNS))
    had = read_stored_table(run / REJECTED, REJECT_COLUMNS, "remove it, and refresh again")
    table = pd.concat([*([] if had is None else [had]), neutralized(new.astype("str"))], ignore_index=True)
    keys = ["file", "column", "problem", "cells"]  # without the row number, which changes in a query
    table = table.drop_duplicates(keys, keep="last").tail(MOST_REJECTED)
    if had is None or not table.equals(had):
        write_table(run / REJECTED, table)
    return len(new[["file", "row"]].drop_duplicates())


def _rejected_rows(raw: pd.DataFrame, issue: Issue, names: UserNames) -> list[tuple[str, int, str, str, str]]:
    """Return the rows of an issue: file, 1-based row, column, message, and the cells that are not missing as JSON."""
    if issue.rows is None:
        return []
    bad = raw.iloc[issue.rows]
    if C.USER in bad and names.hashed:
        bad = bad.assign(**{C.USER: names.shown(as_ids(bad[C.USER]))})
    cells = []
    for row in bad.astype(object).to_dict("records"):
        present = {
            str(name): cell
            for name, cell in row.items()
            if not (pd.api.types.is_scalar(cell) and pd.isna(cell))
        }
        cells.append(json.dumps(present, default=str, ensure_ascii=False))
    return [
        (issue.file, int(row) + 1, issue.column, issue.message, text)
        for row, text in zip(issue.rows, cells, strict=True)
    ]
