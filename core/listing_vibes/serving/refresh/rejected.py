"""The rows that refreshes did not take as they came, kept in the run for whoever mends them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from listing_vibes.market.defects import Defect
from listing_vibes.market.io import read_kept, write_table
from listing_vibes.market.rejects import REJECT_COLUMNS, rejects
from listing_vibes.market.spreadsheet import neutralized
from listing_vibes.market.user_names import UserNames
from listing_vibes.serving.refresh.sources import Frame

REJECTED = "rejected.csv"
#: Rows that are kept, the newest.
MOST_REJECTED = 100_000


def keep_rejected(run: Path, defects: Sequence[tuple[Frame, Defect]], names: UserNames) -> int:
    """Put the rows that `defects` name behind those in `rejected.csv`, users by their names; returns how many rows they are.

    A row that a source tells again and again is there once.
    """
    found = [rejects(frame.rows, [defect], names) for frame, defect in defects if defect.rows is not None]
    if not found:
        return 0
    new = pd.concat(found, ignore_index=True)
    had = read_kept(run / REJECTED, REJECT_COLUMNS, "remove it, and refresh again")
    table = pd.concat([*([] if had is None else [had]), neutralized(new.astype("str"))], ignore_index=True)
    told = ["file", "column", "problem", "cells"]  # a query's rows move
    table = table.drop_duplicates(told, keep="last").tail(MOST_REJECTED)
    if had is None or not table.equals(had):
        write_table(run / REJECTED, table)
    return len(new[["file", "row"]].drop_duplicates())
