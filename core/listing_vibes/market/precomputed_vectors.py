"""Precomputed vectors of a market: an `.npy` file or a column, named in `market.toml`."""

import json

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.values import as_ids

#: Below this, a norm of 32-bit floats is inexact: its square is near their least number.
_LEAST_NORM = 1e-15


def precomputed_vectors(market: Market, name: str, complete: bool = True) -> np.ndarray | None:
    """Return the vectors (L, d) float32 of `[vectors.NAME]` in `market.toml`, L2-normalized, in the order of `market.listings`.

    A row is zero where a listing has none. None: the market has no tables, as for a new listing that is not in a table yet.

    Args:
        complete: require a row in an `.npy` file for each listing of the table; a refreshed market has more listings.

    Raises:
        VibesError: there is no such file or column, or it does not hold finite vectors of one width, one for each row of the table.
    """
    table = market.raw_table("listings")
    if table is None:
        return None
    source = market.table_name("listings")
    setting, key = market.config.vectors[name], f"[vectors.{name}] of {market.tables / 'market.toml'}"
    if setting.path:
        vectors = _of_file(market, setting.path, key)
        if len(vectors) > len(table) or (complete and len(vectors) < len(table)):
            raise VibesError(
                f"{key}: {setting.path} has {len(vectors):,} rows for the {len(table):,} listings of {source}; write one row for "
                "each listing, in the order of the table."
            )
    elif setting.column in table:
        vectors = _of_column(table[setting.column], f"{key}: column {setting.column}")
    else:
        raise VibesError(f"{key}: {source} has no column {setting.column}; correct its name.")
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise VibesError(
            f"{key}: row {bad[0] + 1} holds NaN or infinity; write zeros for a listing that has no vector."
        )
    vectors = _normalized(vectors)
    ids = as_ids(table[C.LISTING].reset_index(drop=True))[
        : len(vectors)
    ].drop_duplicates()  # equal rows are one listing
    places = pd.Index(ids).get_indexer(market.listings[C.LISTING])  # (L,)
    rows = np.where(places >= 0, ids.index.to_numpy()[places], -1)
    return np.where(rows[:, None] >= 0, vectors[rows], np.float32(0))


def _normalized(vectors: np.ndarray) -> np.ndarray:
    """Return finite vectors (N, d) of any type L2-normalized as float32; zero rows stay zero."""
    with np.errstate(over="ignore", invalid="ignore"):
        normal = vectors.astype(np.float32)
        norm = np.linalg.norm(normal, axis=1, keepdims=True)
        normal = np.divide(normal, norm, out=np.zeros_like(normal), where=norm > 0)
    # Squares of values such as 1e30 or 1e-40 are out of the range of 32-bit floats.
    extreme = np.flatnonzero(~np.isfinite(norm[:, 0]) | (norm[:, 0] < _LEAST_NORM))
    exact = vectors[extreme].astype(np.float64)
    exact /= np.maximum(np.abs(exact).max(axis=1, keepdims=True), np.finfo(float).tiny)
    normal[extreme] = exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), np.finfo(float).tiny)
    return np.asarray(normal)


def _of_file(market: Market, path: str, key: str) -> np.ndarray:
    """Read (N, d) from an `.npy` file in the market's folder."""
    file = (market.path / path).resolve()
    if not file.is_relative_to(market.path.resolve()) or not file.is_file():
        raise VibesError(
            f"{key}: there is no file {path} in {market.path}; correct its path, which is relative to the market."
        )
    try:
        vectors = np.asarray(np.load(file, allow_pickle=False))
        if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not vectors.shape[1]:
            raise ValueError(f"it holds {vectors.dtype} of shape {vectors.shape}")
    except (ValueError, OSError, EOFError) as error:
        raise VibesError(
            f"{key}: {path} is not a numeric array of shape (listings, width) ({str(error).splitlines()[0]}); write one with "
            "numpy.save."
        ) from error
    return vectors


def _of_column(column: pd.Series, key: str) -> np.ndarray:
    """Read (N, d) from a column of number lists, or of such lists as JSON; a missing cell becomes zeros."""
    missing = column.isna().to_numpy(bool)
    try:
        lists = [json.loads(cell) if isinstance(cell, str) else list(cell) for cell in column[~missing]]
        present = np.array(lists, np.float64)
        vectors = np.zeros((len(column), present.shape[1]))
    except (TypeError, ValueError, IndexError) as error:
        raise VibesError(
            f"{key} has vectors of different widths; write a list of the same length in each row."
        ) from error
    vectors[~missing] = present
    return vectors
