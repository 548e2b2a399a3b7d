"""With which listings an amount of a draft is compared: a rent with rents, where the market has sales as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from listing_vibes.market.market import Market

#: Share of an amount's variance (on a logarithmic scale where all are positive) that lies between the values of a category,
#: from which these are kinds of their own; and what a category may be to count: so few values, each of so many listings.
PARTED, VALUES, LEAST = 0.8, 12, 10


def comparable(market: Market, cells: Mapping[str, Any], amount: str) -> np.ndarray:
    """(L,) bool: the listings that have the draft's value of the category by which `amount`, a number, is parted most; all where
    none parts it, or the draft says nothing of that.

    Args:
        cells: the draft's values by attribute.
    """
    number = market.listings[amount].to_numpy(float)
    known = np.isfinite(number)
    found, most = np.ones(len(number), bool), PARTED
    if not known.any():
        return found
    scaled = np.log(number[known]) if (number[known] > 0).all() else number[known]
    for item in market.attributes:
        if item.shown_as != "category" or not isinstance(cells.get(item.name), str):
            continue
        column = market.listings[item.name].astype("string").to_numpy(dtype=object, na_value=None)
        mine = column == cells[item.name]
        values, group = np.unique(column[known].astype(str), return_inverse=True)
        if not 1 < len(values) <= VALUES or (mine & known).sum() < LEAST:
            continue
        share = between(scaled, group)
        if share >= most:
            found, most = mine, share
    return found


def between(number: np.ndarray, group: np.ndarray) -> float:
    """The share of the variance of `number` (n,) that lies between the means of its groups (n,), from 0 to 1; 0 without any variance."""
    size = np.bincount(group)
    mean = np.bincount(group, number) / np.maximum(size, 1)
    whole = float(((number - number.mean()) ** 2).sum())
    return float((size * (mean - number.mean()) ** 2).sum()) / whole if whole > 0 else 0.0
