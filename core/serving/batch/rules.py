"""Which candidates a list may hold: business rules, resolved to arrays over the listings of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from core.errors import VibesError
from core.market.columns import Columns as C
from core.market.io import find_table, read_table, table_columns
from core.market.market import Market
from core.market.tables import as_ids

ONE_VALUE = ("category", "flag", "number", "text")


class Rules(BaseModel):
    """The rules of a job.

    Attributes:
        k: how many candidates a list has at most.
        live_only: only listings live at the job's moment.
        drop_seen: a user is not shown what is in the history.
        same: attributes in which a candidate must equal the listing, or the newest listing of the history; a missing
            value is a value of its own.
        at_most, seller: at most so many candidates of one list share a value of this attribute; missing ones are free.
        diversity: from 0 (by score alone) to below 1, the weight of being unlike what stands above in the list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int = Field(default=30, gt=0)
    live_only: bool = False
    drop_seen: bool = False
    same: tuple[str, ...] = ()
    at_most: int | None = Field(default=None, gt=0)
    seller: str | None = None
    diversity: float = Field(default=0.0, ge=0, lt=1)

    def resolved(self, market: Market) -> Rules:
        """The same rules with the attributes' names instead of labels.

        Raises:
            VibesError: the market has no such attribute.
        """
        same = tuple(attribute_name(market, name, "--same") for name in self.same)
        seller = None if self.seller is None else attribute_name(market, self.seller, "--at-most")
        return self.model_copy(update={"same": same, "seller": seller})


@dataclass(frozen=True, eq=False)
class Groups:
    """What the rules look at, by listing row."""

    region: np.ndarray | None  # (L,) int64 equal where the attributes of `same` are equal
    seller: np.ndarray | None  # (L,) int64, -1 missing

    @classmethod
    def of(cls, rules: Rules, market: Market) -> Groups:
        """The columns that resolved `rules` name."""
        region = None
        for name in rules.same:
            codes = _codes(market, name)
            joined = codes if region is None else region * (codes.max(initial=0) + 2) + codes + 1
            region = np.unique(joined, return_inverse=True)[1].astype(np.int64)
        return cls(region, None if rules.seller is None else _codes(market, rules.seller))


def attribute_name(market: Market, given: str, option: str) -> str:
    """The column that `given` means: an attribute's label or name, or any other column of the listings table.

    Raises:
        VibesError: there is none, or it holds several values a listing.
    """
    wanted, choices = given.strip().casefold(), []
    for attribute in market.attributes:
        if attribute.kind in ONE_VALUE:
            choices.append(attribute.name)
            if wanted in (attribute.name.casefold(), attribute.label.casefold()):
                return attribute.name
    several = {a.name for a in market.attributes if a.kind not in ONE_VALUE}
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
