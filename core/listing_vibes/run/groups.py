"""What the rules of a list look at, by listing row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.column_names import market_columns, read_market_table
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import find_table
from listing_vibes.market.kinds import kind_of
from listing_vibes.market.market import Market
from listing_vibes.market.tables import as_ids
from listing_vibes.run.rules import Rules
from listing_vibes.run.where import read_condition


def resolve_rules(rules: Rules, market: Market, for_users: bool) -> Rules:
    """Return `rules.decided(for_users)` with the attributes' names instead of labels; `Groups.of` reads the conditions.

    Raises:
        VibesError: the market has no such attribute.
    """
    same = tuple(attribute_name(market, name, "--same") for name in rules.same)
    seller = None if rules.seller is None else attribute_name(market, rules.seller, "--at-most")
    return rules.decided(for_users).model_copy(update={"same": same, "seller": seller})


@dataclass(frozen=True, eq=False)
class Groups:
    """What the rules look at, by listing row."""

    region: np.ndarray | None  # (L,) int64 equal where the attributes of `same` are equal
    seller: np.ndarray | None  # (L,) int64, -1 missing
    fulfilling: np.ndarray | None  # (L,) bool, which listings fulfil `where`; None: all

    @classmethod
    def of(cls, rules: Rules, market: Market) -> Groups:
        """The columns that resolved `rules` name.

        Raises:
            VibesError: a condition cannot be read.
        """
        region = None
        for name in rules.same:
            codes = _codes(market, name)
            joined = codes if region is None else region * (codes.max(initial=0) + 2) + codes + 1
            region = np.unique(joined, return_inverse=True)[1].astype(np.int64)
        fulfilling = None
        for condition in rules.where:
            one = read_condition(market, condition).fulfilled(market)
            fulfilling = one if fulfilling is None else fulfilling & one
        return cls(region, None if rules.seller is None else _codes(market, rules.seller), fulfilling)


def attribute_name(market: Market, given: str, option: str) -> str:
    """The column that `given` means: an attribute's label or name, or any other column of the listings table.

    Raises:
        VibesError: there is none, or it holds several values a listing.
    """
    wanted, choices = given.strip().casefold(), []
    for attribute in market.attributes:
        if kind_of(attribute.kind).one_value:
            choices.append(attribute.name)
            if wanted in (attribute.name.casefold(), attribute.label.casefold()):
                return attribute.name
    several = {a.name for a in market.attributes if not kind_of(a.kind).one_value}
    reserved = several | {C.LISTING, C.PUBLISHED, C.EXPIRES, C.LATITUDE, C.LONGITUDE}
    others = [
        name for name in market_columns(_table(market), market.config) if name not in reserved | set(choices)
    ]
    if given in others:
        return given
    raise VibesError(
        f"Option {option} names '{given}', which is no attribute with one value a listing; "
        f"give one of: {', '.join([*choices, *others])}."
    )


def _codes(market: Market, name: str) -> np.ndarray:
    """(L,) int64 numbers of the values of a column of the listings table, -1 where missing."""
    if name in market.listings:
        column = market.listings[name]
    else:  # a column that never reaches the model, such as the seller's id
        raw = read_market_table(_table(market), market.config)
        by_id = pd.Series(as_ids(raw[name]).to_numpy(), index=as_ids(raw[C.LISTING]))
        column = by_id.reindex(market.listings[C.LISTING]).reset_index(drop=True)
    return pd.factorize(column, sort=True)[0].astype(np.int64)


def _table(market: Market) -> Path:
    source = find_table(market.tables, "listings")
    if source is None:
        raise VibesError(
            f"{market.tables} holds no listings.parquet, listings.csv or listings.csv.gz; add one."
        )
    return source
