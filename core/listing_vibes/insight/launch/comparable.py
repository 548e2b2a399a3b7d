"""Listings to compare a number of a draft with, such as rents only in a market with rents and sales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.market.market import Market

#: Share of an amount's variance (on a logarithmic scale where all are positive) between the values of a category from which these
#: are compared apart; and what a category must be for that: at most so many values, this one of at least so many listings.
PARTED, VALUES, LEAST = 0.8, 12, 10


def comparable(market: Market, cells: Mapping[str, Any], amount: str) -> np.ndarray:
    """Return the listings (L,) bool with the draft's value of the category that explains most variance of the number `amount`;
    all listings if there is no such category, or the draft has no value of it.

    Args:
        cells: the draft's values by attribute.
    """
    number = market.listings[amount].astype(float)
    number = np.log(number) if (number.dropna() > 0).all() else number
    result, most = np.ones(len(number), bool), PARTED
    for item in market.attributes:
        if item.shown_as != "category" or not isinstance(cells.get(item.name), str):
            continue
        values = market.listings[item.name].astype("string")[number.notna()]
        same = (values == cells[item.name]).fillna(False)
        if 1 < values.nunique(dropna=False) <= VALUES and same.sum() >= LEAST:
            share = between(number.dropna(), values)
            if share >= most:
                result, most = (market.listings[item.name] == cells[item.name]).to_numpy(bool), share
    return result


def between(number: pd.Series, group: pd.Series) -> float:
    """Return the share of the variance of `number` (n,) between the means of its groups (n,), from 0 to 1."""
    variance = number.var(ddof=0)
    return (
        float(number.groupby(group, dropna=False).transform("mean").var(ddof=0) / variance)
        if variance > 0
        else 0.0
    )
