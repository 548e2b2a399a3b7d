"""Vectors that a market brings along, as of another encoder: an `.npy` file or a column, named in `market.toml`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.column_names import rename_columns
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import find_table, read_table
from listing_vibes.market.values import as_ids

if TYPE_CHECKING:
    from listing_vibes.market.market import Market


def own_vectors(market: Market, name: str, complete: bool = True) -> np.ndarray | None:
    """Return the vectors (L, d) float32 that `[vectors.NAME]` of `market.toml` names, L2-normalized, in the order of `market.listings`.

    A row is zero where a listing has none. None: the market lies in no folder, as a new listing that is not in a table yet.

    Args:
        complete: whether an `.npy` file must have a row for each listing of the table; a refreshed market has more listings.

    Raises:
        VibesError: there is no such file or column, or it holds no finite vectors of one width, one a row of the table.
    """
    source = find_table(market.tables, "listings")
    if source is None:
        return None
    table = rename_columns(read_table(source), source, market.config)
    setting, told = market.config.vectors[name], f"[vectors.{name}] of {market.tables / 'market.toml'}"
    if setting.path:
        vectors = _of_file(market, setting.path, told)
        if len(vectors) > len(table) or (complete and len(vectors) < len(table)):
            raise VibesError(
                f"{told}: {setting.path} has {len(vectors):,} rows for the {len(table):,} listings of {source.name}; write one row "
                "a listing, in the order of the table."
            )
    elif setting.column in table:
        vectors = _of_column(table[setting.column], f"{told}: column {setting.column}")
    else:
        raise VibesError(f"{told}: {source.name} has no column {setting.column}; correct its name.")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise VibesError(
            f"{told}: row {row + 1} holds NaN or infinity; write zeros for a listing that has no vector."
        )
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, norm, out=np.zeros_like(vectors), where=norm > 0)
    ids = pd.Index(as_ids(table[C.LISTING])[: len(vectors)])
    first = np.flatnonzero(~ids.duplicated())
    rows = ids[first].get_indexer(market.listings[C.LISTING])  # (L,)
    return np.where(rows[:, None] >= 0, vectors[first][rows], np.float32(0))


def _of_file(market: Market, path: str, told: str) -> np.ndarray:
    """(N, d) float32 of an `.npy` file inside the market's folder."""
    file = (market.path / path).resolve()
    if not file.is_relative_to(market.path.resolve()) or not file.is_file():
        raise VibesError(
            f"{told}: there is no file {path} in {market.path}; correct its path, which starts at the market."
        )
    try:
        found = np.load(file, allow_pickle=False)
        if (
            not isinstance(found, np.ndarray)
            or found.ndim != 2
            or found.dtype.kind not in "fiu"
            or not found.shape[1]
        ):
            raise ValueError("it is no array of numbers with a row a listing")
    except (ValueError, OSError, EOFError) as error:
        raise VibesError(
            f"{told}: {path} cannot be used ({str(error).splitlines()[0]}); write it with numpy.save."
        ) from error
    return found.astype(np.float32)


def _of_column(column: pd.Series, told: str) -> np.ndarray:
    """(N, d) float32 of a column of lists of numbers, or of such lists as JSON; a missing cell is zeros."""
    cells = [json_list(cell) for cell in column]
    widths = {len(cell) for cell in cells if cell is not None}
    if len(widths) != 1 or widths == {0}:
        seen = ", ".join(map(str, sorted(widths))) or "none"
        raise VibesError(
            f"{told} holds no vectors of one width (it has: {seen}); write a list of as many numbers in each row."
        )
    zero = [0.0] * widths.pop()
    try:
        return np.array([zero if cell is None else cell for cell in cells], np.float32)
    except (TypeError, ValueError) as error:
        raise VibesError(
            f"{told} holds something else than numbers ({error}); write lists of numbers."
        ) from error


def json_list(cell: object) -> list[float] | None:
    """The numbers of a cell; None of a missing one, and an empty list of one that is none."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            return []
    if isinstance(cell, list | tuple | np.ndarray):
        return list(cell)
    return None if cell is None or cell != cell else []
