"""Which candidates a list may hold: business rules, resolved to arrays over the listings of a market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.column_names import market_columns, read_market_table
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import first_problem
from listing_vibes.market.io import find_table
from listing_vibes.market.kinds import kind_of
from listing_vibes.market.market import Market
from listing_vibes.market.tables import as_ids
from listing_vibes.run.where import read_condition

#: Rules that hold several texts.
SEVERAL = ("same", "where", "pin", "block", "boost", "unlike", "not", "dial")
#: What put a listing into a list, by the code that `listing_vibes.run.recommender.Lists` gives; the first is its score.
RULED = ("", "pinned", "without at_most", "without same", "without where")
PINNED = 1


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
        where: conditions that every candidate fulfils, such as "price<=100", see `listing_vibes.run.where`.
        pin: listings that stand first, in this order, as far as the other rules let them into the list at all.
        block: listings that are in no list.
        boost: what scores gain and lose again with age or distance, such as "fresh 0.5 14d", see `listing_vibes.run.boosts`; the unit is
            the standard deviation of the scores of all listings for that query, so that a weight means the same whatever is
            added to the model.
        unlike: listings that are in no list, and what is like them falls: `NOT` standard deviations for each standard deviation
            of the greatest cosine to one of them; under the name "not" wherever rules are written.
        dial: directions that lists are moved along, such as "lighter 1.5 photos +A +B -C", see `listing_vibes.run.dials`; the unit is that
            of a boost.
        fill: a list that these rules leave short is filled up: at first without `at_most`, then also without `same`, then
            also without `where`; what is added so stands behind, by score, and says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    k: int = Field(default=K, gt=0)
    live_only: bool | None = None
    drop_seen: bool | None = None
    same: tuple[str, ...] = ()
    at_most: int | None = Field(default=None, gt=0)
    seller: str | None = None
    diversity: float = Field(default=0.0, ge=0, lt=1)
    where: tuple[str, ...] = ()
    pin: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    boost: tuple[str, ...] = ()
    unlike: tuple[str, ...] = Field(default=(), alias="not")
    dial: tuple[str, ...] = ()
    fill: bool = False

    @classmethod
    def of(cls, given: Rules | Mapping[str, Any] | None) -> Rules:
        """Rules as they are given: whole, by their keys, or none; one attribute or condition needs no list.

        Raises:
            VibesError: an unknown rule, a value out of range, or no mapping at all.
        """
        if isinstance(given, Rules):
            return given
        if not isinstance(given, Mapping | None):
            raise VibesError(
                f"The rules are {given!r}; give a mapping, such as {{'where': 'price<=100'}}, or `Rules`."
            )
        try:
            return cls.model_validate(
                {
                    name: (value,) if name in SEVERAL and isinstance(value, str) else value
                    for name, value in (given or {}).items()
                }
            )
        except ValidationError as error:
            raise VibesError(f"The rules: {first_problem(error, cls)}") from error

    def length(self, k: int | None) -> int:
        """How many a list of these rules has at most, where `k` is asked for beside them.

        Raises:
            VibesError: `k` is no whole number from 1.
        """
        if k is None:
            return self.k
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise VibesError(f"k is {k!r}; give how many listings, a whole number from 1.")
        return int(k)

    @property
    def ask_attributes(self) -> bool:
        """Whether the market's listings have to be looked at."""
        return bool(self.same or self.seller or self.where or self.boost)

    @property
    def ask_moment(self) -> bool:
        """Whether lists differ from moment to moment."""
        return bool(self.live_only or self.boost)

    @property
    def moves_scores(self) -> bool:
        """Whether the rules add to scores or take from them, so that these are no cosines."""
        return bool(self.boost or self.dial or self.unlike)

    @property
    def says(self) -> bool:
        """Whether an answer says of its listings what put them there, one of `RULED`."""
        return bool(self.pin or self.fill)

    def without(self, *names: str) -> Rules:
        """The same without some of `at_most`, `same` and `where`, and no more pinned, diverse or filled up."""
        gone: dict[str, Any] = dict.fromkeys(names, ())
        if "at_most" in names:
            gone |= {"at_most": None, "seller": None}
        return self.model_copy(update=gone | {"pin": (), "diversity": 0.0, "fill": False})

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
