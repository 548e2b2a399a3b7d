"""Shared parts of importers: find and read a source's tables, and convert cells without losing any."""

from pathlib import Path

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.io import read_table
from listing_vibes.market.moments import to_moments
from listing_vibes.market.tables import require


def source_table(folder: Path, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the table `name`.csv.gz or `name`.csv of a source folder; every cell as text, empty ones missing.

    Raises:
        VibesError: there is no such file, it cannot be read, or it lacks one of `columns`.
    """
    results = [path for path in (folder / f"{name}.csv.gz", folder / f"{name}.csv") if path.is_file()]
    if not results:
        raise VibesError(f"{folder} holds no {name}.csv.gz or {name}.csv; give the folder that holds it.")
    table = read_table(results[0])
    require(table, results[0], columns)
    return table


def moments_or_text(column: pd.Series) -> pd.Series:
    """Return a column as UTC moments where every cell is one; else unchanged, so that the market's check reports the others."""
    moments, bad = to_moments(column)
    return column if bad.any() else moments
