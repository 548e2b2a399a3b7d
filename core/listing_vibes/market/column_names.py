"""Columns that `market.toml` maps, so that a table need not be rewritten: `[columns.events] user_id = "customer"`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.defects import Defect
from listing_vibes.market.io import read_table, table_columns


def read_market_table(source: Path, config: MarketConfig) -> pd.DataFrame:
    """Read the table of a market under the names that the market uses.

    Raises:
        VibesError: as `read_table` and `names_in`.
    """
    return rename_columns(read_table(source), source, config)


def market_columns(source: Path, config: MarketConfig) -> list[str]:
    """Return the columns of a market's table under the names that the market uses, without reading its rows."""
    columns = table_columns(source)
    names = names_in(columns, source, config)
    return [names.get(name, name) for name in columns]


def rename_columns(
    raw: pd.DataFrame, source: Path, config: MarketConfig, strict: bool = True
) -> pd.DataFrame:
    """Return a table, which was read from `source`, under the names that the market uses; `strict` as in `names_in`."""
    names = names_in(list(map(str, raw.columns)), source, config, strict)
    return raw.rename(columns=names) if names else raw


def with_file_names(
    defects: Sequence[Defect], columns: Sequence[str], source: Path, config: MarketConfig
) -> list[Defect]:
    """Return defects of a table, each under the name that the file has for its column."""
    names = {name: told for told, name in names_in(columns, source, config).items()}
    return [replace(defect, file_column=names.get(defect.column, "")) for defect in defects]


def names_in(
    columns: Sequence[str], source: Path, config: MarketConfig, strict: bool = True
) -> dict[str, str]:
    """Return the market's names of columns by those that a file has for them.

    A file that has the market's own names, as a refresh writes them, is taken as it is.

    Args:
        source: `listings.csv` and the like; its name says which table it is.
        strict: a column that is mapped has to be there.

    Raises:
        VibesError: a column that is mapped is there under both names or, where `strict`, under none.
    """
    found: dict[str, str] = {}
    table, mapped = next(
        ((name, names) for name, names in config.columns.items() if source.name.startswith(name)), ("", {})
    )
    for name, told in mapped.items():
        if told == name:
            continue
        if told in columns and name in columns:
            raise VibesError(
                f"{source} has the columns '{told}' and '{name}', of which market.toml ([columns.{table}]) makes one; remove one, or "
                "that line."
            )
        if told in columns:
            found[told] = name
        elif strict and name not in columns:
            raise VibesError(
                f"{source} lacks the column '{told}' that market.toml ([columns.{table}]) names for '{name}' (it has: "
                f"{', '.join(columns[:8])}); correct it there."
            )
    return found
