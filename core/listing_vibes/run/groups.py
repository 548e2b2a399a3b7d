"""The values that the rules of a list read, by listing row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.column_names import market_columns, read_market_table
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import find_table
from listing_vibes.market.market import Market
from listing_vibes.market.tables import as_ids
from listing_vibes.run.rules import Rules
from listing_vibes.run.where import read_condition


def resolve_rules(rules: Rules, market: Market, for_users: bool) -> Rules:
    """Return `rules.resolved(for_users)` with the names of attributes instead of their labels; `Groups.of` parses the conditions.

    Raises:
        VibesError: the market has no such attribute.
    """
    same = tuple(attribute_name(market, name, "Rule same") for name in rules.same)
    seller = None if rules.seller is None else attribute_name(market, rules.seller, "Rule at_most")
    return rules.resolved(for_users).model_copy(update={"same": same, "seller": seller})


@dataclass(frozen=True, eq=False)
class Groups:
    """The values that the rules read, by listing row."""

    region: np.ndarray | None  # (L,) int64, equal where the attributes of `same` are equal
    seller: np.ndarray | None  # (L,) int64, -1 missing
    fulfilling: np.ndarray | None  # (L,) bool, which listings fulfill `where`; None: all

    @classmethod
    def of(cls, rules: Rules, market: Market) -> Groups:
        """Return the values of the columns that resolved `rules` name.

        Raises:
            VibesError: a condition cannot be parsed.
        """
        region = fulfilling = seller = None
        if rules.same:
            table = pd.DataFrame({name: _column(market, name) for name in rules.same})
            region = table.groupby(list(rules.same), dropna=False, observed=True).ngroup().to_numpy(np.int64)
        if rules.where:
            conditions = [read_condition(market, text).fulfilled(market) for text in rules.where]
            fulfilling = np.logical_and.reduce(conditions)
        if rules.seller is not None:
            seller = pd.factorize(_column(market, rules.seller), sort=True)[0].astype(np.int64)
        return cls(region, seller, fulfilling)


def attribute_name(market: Market, given: str, parameter: str) -> str:
    """Return the name of the column that `given` names: the name or label of an attribute, or any other column of the listings table.

    Args:
        parameter: the subject of the error message, such as "Rule same".

    Raises:
        VibesError: there is no such column, or it holds several values per listing.
    """
    requested = given.strip().casefold()
    single = [attribute for attribute in market.attributes if type_of(attribute.kind).single_valued]
    for attribute in single:
        if requested in (attribute.name.casefold(), attribute.label.casefold()):
            return attribute.name
    columns = market_columns(_listings_table(market), market.config)
    reserved = {attribute.name for attribute in market.attributes} | {
        C.LISTING, C.PUBLISHED, C.EXPIRES, C.LATITUDE, C.LONGITUDE,
    }  # fmt: skip
    others = [name for name in columns if name not in reserved]
    if given in others:
        return given
    raise VibesError(
        f"{parameter} names '{given}', which is not an attribute with one value per listing; "
        f"give one of: {', '.join([*(item.name for item in single), *others])}."
    )


def _column(market: Market, name: str) -> pd.Series:
    """Return the values (L,) of a column of the listings table, also of one that the model does not use, such as the seller's id."""
    if name in market.listings:
        return market.listings[name]
    raw = read_market_table(_listings_table(market), market.config)
    by_id = pd.Series(as_ids(raw[name]).to_numpy(), index=as_ids(raw[C.LISTING]))
    return by_id.reindex(market.listings[C.LISTING]).reset_index(drop=True)


def _listings_table(market: Market) -> Path:
    source = find_table(market.tables, "listings")
    if source is None:
        raise VibesError(f"{market.tables} has no table of listings; add listings.parquet or listings.csv.")
    return source
