"""Which candidates a list may hold: business rules, resolved to arrays over the listings of a market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.defaults import K
from core.errors import VibesError
from core.market.columns import Columns as C
from core.market.documents import first_problem
from core.market.io import find_table, read_table, table_columns
from core.market.kinds import kind_of
from core.market.market import Market
from core.market.tables import as_ids
from core.run.where import read_condition


class Rules(BaseModel):
    """The rules of a list.

    Attributes:
        k: how many candidates a list has at most.
        live_only: only listings live at the list's moment; None: so for users, not for similar listings.
        drop_seen: a user is not shown what is in the history; None: so.
        same: attributes in which a candidate must equal the listing, or the newest listing of the history; a missing
            value is a value of its own.
        at_most, seller: at most so many candidates of one list share a value of this attribute; missing ones are free.
        diversity: from 0 (by score alone) to below 1, the weight of being unlike what stands above in the list.
        where: conditions that every candidate fulfils, such as "price<=100", see `core.run.where`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int = Field(default=K, gt=0)
    live_only: bool | None = None
    drop_seen: bool | None = None
    same: tuple[str, ...] = ()
    at_most: int | None = Field(default=None, gt=0)
    seller: str | None = None
    diversity: float = Field(default=0.0, ge=0, lt=1)
    where: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Rules | Mapping[str, Any] | None) -> Rules:
        """Rules as they are given: whole, by their keys, or none; one attribute or condition needs no list.

        Raises:
            VibesError: an unknown rule, or a value out of range.
        """
        if isinstance(given, Rules):
            return given
        try:
            return cls.model_validate(
                {
                    name: (value,) if name in ("same", "where") and isinstance(value, str) else value
                    for name, value in (given or {}).items()
                }
            )
        except ValidationError as error:
            raise VibesError(f"The rules: {first_problem(error)}") from error

    @property
    def ask_attributes(self) -> bool:
        """Whether the market's listings have to be looked at."""
        return bool(self.same or self.seller or self.where)

    def decided(self, for_users: bool) -> Rules:
        """The same rules with what was left open decided: users get live listings that they have not seen.

        Raises:
            VibesError: a number without the attribute that it counts by, or the other way round.
        """
        if (self.at_most is None) != (self.seller is None):
            raise VibesError("At most so many of what? Give a number and an attribute, such as 2 host_id.")
        usual = {"live_only": for_users, "drop_seen": for_users}
        return self.model_copy(update={name: u for name, u in usual.items() if getattr(self, name) is None})

    def resolved(self, market: Market, for_users: bool) -> Rules:
        """As `decided`, and with the attributes' names instead of labels; conditions are read by `Groups.of`.

        Raises:
            VibesError: the market has no such attribute.
        """
        same = tuple(attribute_name(market, name, "--same") for name in self.same)
        seller = None if self.seller is None else attribute_name(market, self.seller, "--at-most")
        return self.decided(for_users).model_copy(update={"same": same, "seller": seller})


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
    others = [name for name in table_columns(_table(market)) if name not in reserved | set(choices)]
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
        raw = read_table(_table(market))
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
