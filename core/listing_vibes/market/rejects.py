"""The rows of a table that were not taken as they came, as a table of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from listing_vibes.market.column_names import read_market_table
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.defects import Defect
from listing_vibes.market.io import TABLES, find_table
from listing_vibes.market.market import Market
from listing_vibes.market.tables import as_ids
from listing_vibes.market.user_names import UserNames

REJECT_COLUMNS = ("file", "row", "column", "problem", "cells")


def rejects(raw: pd.DataFrame, defects: Sequence[Defect], names: UserNames) -> pd.DataFrame:
    """One row a defect and row of `raw`: file, 1-based row, column, what is wrong and was done, all its cells as JSON.

    Users go by their `names`.
    """
    found = []
    for defect in defects:
        if defect.rows is None:
            continue
        some = raw.iloc[defect.rows]
        if names.hashed and C.USER in some:
            some = some.assign(**{C.USER: names.shown(as_ids(some[C.USER]))})
        for row, cells in zip(defect.rows, _cells(some), strict=True):
            found.append(
                (defect.file, int(row) + 1, defect.file_column or defect.column, defect.message, cells)
            )
    return pd.DataFrame(found, columns=list(REJECT_COLUMNS))


def market_rejects(market: Market) -> pd.DataFrame:
    """The rows of the tables of `market` that its defects name."""
    parts = [pd.DataFrame(columns=list(REJECT_COLUMNS))]
    for name in TABLES:
        source = find_table(market.tables, name)
        mine = [defect for defect in market.defects if source is not None and defect.file == source.name]
        if source is not None and any(defect.rows is not None for defect in mine):
            parts.append(rejects(read_market_table(source, market.config), mine, market.names))
    return pd.concat(parts, ignore_index=True)


def _cells(raw: pd.DataFrame) -> list[str]:
    """Each row as JSON, without what is missing."""
    names, lines = [str(name) for name in raw.columns], []
    for row in raw.itertuples(index=False, name=None):
        there = {name: cell for name, cell in zip(names, row, strict=True) if not _missing(cell)}
        lines.append(json.dumps(there, default=str, ensure_ascii=False))
    return lines


def _missing(cell: object) -> bool:
    return cell is None or (pd.api.types.is_scalar(cell) and bool(pd.isna(cell)))
