"""Column names in market.toml and in tables: mapped ones (`[columns.events] user_id = "customer"`) and misspelled ones."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.io import read_header, read_table
from listing_vibes.market.issues import Issue


def read_market_table(source: Path, config: MarketConfig) -> pd.DataFrame:
    """Read a market table with the column names that the market uses.

    Raises:
        VibesError: as `read_table` and `names_in`.
    """
    return rename_columns(read_table(source), source, config)


def market_columns(source: Path, config: MarketConfig) -> list[str]:
    """Return the columns of a market's table by the market's names, without reading its rows."""
    return [str(name) for name in rename_columns(read_header(source), source, config)]


def rename_columns(raw: pd.DataFrame, source: Path, config: MarketConfig) -> pd.DataFrame:
    """Rename the columns of a table read from `source` to the market's names; raises as `names_in`."""
    return raw.rename(columns=names_in(list(map(str, raw.columns)), source, config))


def names_in(
    columns: Sequence[str], source: Path, config: MarketConfig, strict: bool = True
) -> dict[str, str]:
    """Return the market's column names by the names in a file.

    A file that has the market's names, as a refresh writes them, stays as it is.

    Args:
        source: a file such as `listings.csv`; its name says which table it is.
        strict: require every mapped column.

    Raises:
        VibesError: a mapped column exists under both names or, where `strict`, under neither.
    """
    table = next((name for name in config.columns if source.name.startswith(name)), None)
    names = {in_file: name for name, in_file in config.columns.get(table, {}).items() if in_file != name} if table else {}  # fmt: skip
    for in_file, name in names.items():
        if (in_file in columns) == (name in columns) and (strict or in_file in columns):
            has = "has both of them" if in_file in columns else f"has {', '.join(columns[:8])}"
            raise VibesError(
                f"market.toml ([columns.{table}]) maps the column '{in_file}' to '{name}', and {source} {has}; correct it there."
            )
    return {in_file: name for in_file, name in names.items() if in_file in columns}


def check_names(
    key: str, names: Sequence[str], valid: Sequence[str], others: Sequence[str], source: Path
) -> list[Issue]:
    """Check the names that market.toml lists under `key` against the `valid` columns of a table.

    Returns:
        the issues of unknown names.

    Raises:
        VibesError: a name is close to one of the `others`, which would then reach the model.
    """
    unknown, spelled = (
        [name for name in names if name not in valid],
        {name.casefold(): name for name in others},
    )
    for name in unknown:
        for get_close_match in difflib.get_close_matches(name.casefold(), spelled, 1, 0.8):
            raise VibesError(
                f"market.toml lists '{name}' as {key}, which {source} does not have, and not '{spelled[get_close_match]}', which it has; correct the name."
            )
    return [Issue("market.toml", key, 0, name, f"is not in {source.name}; remove it") for name in unknown]
