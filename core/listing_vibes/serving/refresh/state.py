"""What a refresh has to know of those before it: how far its sources were read, what waits, and which rows were rejected.

It lies in the run folder, beside the generations, and is written once all that it tells of is published: whatever interrupts a refresh, the
same rows are read again, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.market.defects import Defect
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.io import read_kept, write_table
from listing_vibes.market.rejects import REJECT_COLUMNS, rejects
from listing_vibes.market.spreadsheet import neutralized
from listing_vibes.market.user_names import UserNames
from listing_vibes.run.versions import stamp_of
from listing_vibes.serving.refresh.sources import Frame, Marks

STATE, REJECTED = "refresh.json", "rejected.csv"
#: Rows of `rejected.csv`, the newest.
MOST_REJECTED = 100_000


@dataclass
class RefreshState:
    """The content of `refresh.json`.

    Attributes:
        embedded: which embedding of the run the marks belong to; after another one all is read again.
        marks: by source and place, what was read of it.
        earlier: the marks of before the run was embedded again.
        day_first: by columns of moments, whether the day or the month comes first in the tables as they were before they became Parquet.
        replaced: digests of the files in the market's folder that the published state takes the place of.
        polled: when the sources were read last, seconds since 1970.
    """

    embedded: list[Any] = field(default_factory=list)
    marks: dict[str, dict[str, Marks]] = field(default_factory=dict)
    earlier: dict[str, dict[str, Marks]] = field(default_factory=dict)
    day_first: dict[str, bool] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    polled: float = 0.0

    @classmethod
    def load(cls, run: Path) -> RefreshState:
        """Read the state of a run; an empty one where nothing was refreshed yet.

        Raises:
            VibesError: the file is damaged.
        """
        stamp = stamp_of(run)
        state = read_json(run / STATE, "remove it, and refresh again", lambda given: cls(**given)) or cls()
        embedded = [stamp.base, stamp.made]
        if state.embedded != embedded:
            state.embedded, state.earlier, state.marks = embedded, state.marks or state.earlier, {}
        return state

    def save(self, run: Path) -> None:
        """Write it."""
        write_json(run / STATE, asdict(self))


def load_waiting(run: Path, name: str) -> pd.DataFrame:
    """Return what waits to be taken into the table `name`."""
    file = _waiting_file(run, name)
    return pd.read_parquet(file) if file.is_file() else pd.DataFrame()


def save_waiting(run: Path, name: str, rows: pd.DataFrame) -> None:
    """Have `rows` wait."""
    if len(rows):
        write_table(_waiting_file(run, name), rows)
    else:
        _waiting_file(run, name).unlink(missing_ok=True)


def _waiting_file(run: Path, name: str) -> Path:
    return run / f"waiting-{name}.parquet"


def save_rejected(run: Path, defects: Sequence[tuple[Frame, Defect]], names: UserNames) -> int:
    """Put the rows that `defects` name behind those in `rejected.csv`, users by their names; returns how many rows they are.

    A row that a source gives again and again is there once.
    """
    results = [rejects(frame.rows, [defect], names) for frame, defect in defects if defect.rows is not None]
    if not results:
        return 0
    new = pd.concat(results, ignore_index=True)
    had = read_kept(run / REJECTED, REJECT_COLUMNS, "remove it, and refresh again")
    table = pd.concat([*([] if had is None else [had]), neutralized(new.astype("str"))], ignore_index=True)
    keys = ["file", "column", "problem", "cells"]  # a query's rows move
    table = table.drop_duplicates(keys, keep="last").tail(MOST_REJECTED)
    if had is None or not table.equals(had):
        write_table(run / REJECTED, table)
    return len(new[["file", "row"]].drop_duplicates())
