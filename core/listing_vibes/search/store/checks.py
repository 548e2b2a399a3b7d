"""What a store takes in, checked before anything changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError


def checked(
    ids: Sequence[str], vectors: np.ndarray, attributes: pd.DataFrame | None, width: int
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Ids (n,) str, vectors (n, width) float32 and attributes (n rows) of an upsert.

    Raises:
        VibesError: see `MilvusStore.upsert`.
    """
    names = np.array(list(ids), dtype=str)
    rows = np.ascontiguousarray(vectors, np.float32)
    if rows.shape != (len(names), width):
        raise VibesError(
            f"The store takes vectors ({len(names)}, {width}) for {len(names)} listings, not {rows.shape}; "
            "give one row a listing, of the store's width."
        )
    unique, count = np.unique(names, return_counts=True)
    if (count > 1).any():
        raise VibesError(f"Listing '{unique[count.argmax()]}' is there twice in one upsert; give each once.")
    broken = ~np.isfinite(rows).all(axis=1)
    if broken.any():
        raise VibesError(f"The vector of listing '{names[broken.argmax()]}' is not finite; encode it again.")
    table = pd.DataFrame(index=range(len(names))) if attributes is None else attributes.reset_index(drop=True)
    if len(table) != len(names):
        raise VibesError(
            f"There are {len(table)} rows of attributes for {len(names)} listings; give one each."
        )
    return names, rows, table


def checked_queries(queries: np.ndarray, width: int) -> np.ndarray:
    """Queries (B, width) float32.

    Raises:
        VibesError: another width.
    """
    rows = np.ascontiguousarray(queries, np.float32)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise VibesError(
            f"The store is searched by vectors (B, {width}), not {rows.shape}; use its own space."
        )
    return rows
