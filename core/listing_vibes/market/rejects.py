"""The invalid rows of a market's tables, as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from listing_vibes.market.column_names import read_market_table
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import TABLES, find_table
from listing_vibes.market.issues import Issue
from listing_vibes.market.market import Market
from listing_vibes.market.user_names import UserNames
from listing_vibes.market.values import as_ids

REJECT_COLUMNS = ("file", "row", "column", "problem", "cells")


def rejects(raw: pd.DataFrame, issues: Sequence[Issue], names: UserNames) -> pd.DataFrame:
    """Return one row for each issue and row of `raw`: file, 1-based row, column, message, and all its cells as JSON.

    Users are shown by their `names`.
    """
    rows = []
    for issue in issues:
        if issue.rows is not None:
            bad = raw.iloc[issue.rows]
            if C.USER in bad:
                bad = bad.assign(**{C.USER: names.shown(as_ids(bad[C.USER]))}) if names.hashed else bad
            column = issue.file_column or issue.column
            rows += [
                (issue.file, int(row) + 1, column, issue.message, cells)
                for row, cells in zip(issue.rows, _cells(bad), strict=True)
            ]
    return pd.DataFrame(rows, columns=list(REJECT_COLUMNS))


def market_rejects(market: Market) -> pd.DataFrame:
    """Return the rows of the tables of `market` that have issues."""
    parts = [pd.DataFrame(columns=list(REJECT_COLUMNS))]
    for source in (find_table(market.tables, name) for name in TABLES):
        of_table = [issue for issue in market.issues if source is not None and issue.file == source.name]
        if source is not None and any(issue.rows is not None for issue in of_table):
            parts.append(rejects(read_market_table(source, market.config), of_table, market.names))
    return pd.concat(parts, ignore_index=True)


def _cells(raw: pd.DataFrame) -> list[str]:
    """Return each row as JSON, without missing cells."""
    names, lines = list(map(str, raw.columns)), []
    for row in raw.itertuples(index=False, name=None):
        cells = dict(zip(names, row, strict=True))
        missing = [name for name, cell in cells.items() if pd.api.types.is_scalar(cell) and pd.isna(cell)]
        lines.append(
            json.dumps(
                {name: cells[name] for name in names if name not in missing}, default=str, ensure_ascii=False
            )
        )
    return lines
