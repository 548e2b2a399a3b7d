"""A market's tables as they are extended: every row that is there stays, columns have the types the market reads them as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.column_names import read_market_table
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.durable import copy_file
from listing_vibes.market.io import TABLES, find_table
from listing_vibes.market.market import Market
from listing_vibes.market.moments import infer_day_first, to_moments
from listing_vibes.market.photo_urls import with_paths
from listing_vibes.market.tables import listings_table
from listing_vibes.market.values import as_ids, of_bytes, to_numbers, with_points


def pinned(market: Market) -> MarketConfig:
    """The market's configuration with all that was inferred from its rows, so that new rows change no meaning."""
    config = market.config
    kinds = {
        a.name: config.attributes.get(a.name, AttributeConfig()).model_copy(
            update={"kind": a.kind, "decimal": a.decimal}
        )
        for a in market.attributes
        if type_of(a.kind).own_column
    }
    source = find_table(market.tables, "listings")
    assert source is not None  # the market was read from it
    unused = [
        name
        for name in map(str, read_market_table(source, config).columns)
        if name not in market.listings and name not in config.excluded
    ]
    update = {
        "attributes": {**config.attributes, **kinds},
        "actions": list(market.actions),
        "excluded": [*config.excluded, *unused],
    }
    return config.model_copy(update=update)


def raw_table(market: Market, name: str) -> pd.DataFrame | None:
    """A table of the market as it lies on disk; None where there is none."""
    source = find_table(market.tables, name)
    return None if source is None else read_market_table(source, market.config)


def day_first(raw: pd.DataFrame | None) -> dict[str, bool]:
    """By the columns of moments of a table, whether the day or the month comes first in dates with slashes, where it tells."""
    there = [name for name in (C.PUBLISHED, C.EXPIRES, C.TIMESTAMP) if raw is not None and name in raw]
    found = {name: infer_day_first(raw[name]) for name in there} if raw is not None else {}
    return {name: one for name, one in found.items() if one is not None}


def whole_listings(market: Market, raw: pd.DataFrame | None) -> pd.DataFrame:
    """`market.listings` with the columns of `raw` that it leaves out, as they lie on disk, behind them."""
    assert raw is not None  # the market was read from it
    unused = [name for name in raw.columns if name not in market.listings]
    return pd.concat([market.listings, raw[unused]], axis=1)


def whole_photos(market: Market) -> pd.DataFrame:
    """All rows of the photos table: `listing_id, path` and maybe `position`."""
    source = find_table(market.tables, "photos")
    if source is None:
        return market.photos
    raw = with_paths(read_market_table(source, market.config))
    table = raw.assign(**{C.LISTING: as_ids(raw[C.LISTING]), C.PATH: raw[C.PATH].astype("str")})
    if C.POSITION in raw:
        table[C.POSITION] = to_numbers(raw[C.POSITION])[0]
    return table


def whole_events(market: Market, raw: pd.DataFrame | None) -> pd.DataFrame:
    """All rows of the events table `raw`, also those that the market skips, with the types of `Market.events`."""
    if raw is None:
        return market.events
    read = [
        name for name in (C.USER, C.LISTING, C.TIMESTAMP, C.POSITION, C.ACTION, C.DURATION) if name in raw
    ]
    if C.TIMESTAMP in read and C.POSITION in read:
        read.remove(C.POSITION)
    return raw.assign(**{name: _of_events(name, raw[name]) for name in read})


def _of_events(name: str, column: pd.Series) -> pd.Series:
    if name == C.TIMESTAMP:
        return to_moments(column)[0]
    if name in (C.POSITION, C.DURATION):
        numbers = pd.Series(to_numbers(column)[0])
        return numbers.where(numbers % 1 == 0).astype("Int64") if name == C.POSITION else numbers
    return as_ids(column)


def with_unread(
    table: pd.DataFrame,
    name: str,
    before: pd.DataFrame,
    raw: pd.DataFrame | None,
    market: Market,
    config: MarketConfig,
) -> pd.DataFrame:
    """The table `name` of a market, which extends what was read `before` of `raw`, with the cells that were not read as they lay
    there: a column with such cells becomes text that is read as `table` has it, so that they can still be mended."""
    source = find_table(market.tables, name)
    if raw is None or source is None:
        return table
    told = {one.column for one in market.defects if one.file == source.name and one.rows is not None}

    def read(column: str, words: pd.Series) -> pd.Series:
        if name == "events":
            return _of_events(column, words)
        setting = {key: one for key, one in config.attributes.items() if key == column}
        alone = config.model_copy(update={"attributes": setting, "title": None, "excluded": []})
        rows = pd.DataFrame({C.LISTING: table[C.LISTING], column: words})
        return listings_table(rows, source, alone)[0][column]

    for column in before.columns.intersection(list(told)):
        unread = np.zeros(len(table), bool)
        unread[: len(raw)] = (raw[column].notna() & before[column].isna()).to_numpy(bool)
        unread &= table[column].isna().to_numpy(bool)
        if unread.any():
            words = table[column].astype("str").where(table[column].notna()).astype("str")
            if config.attributes.get(column, AttributeConfig()).decimal == ",":
                words = with_points(words)
            words[unread] = of_bytes(raw[column])[unread[: len(raw)]].astype("str").array
            if read(column, words).equals(table[column]):
                table = table.assign(**{column: words})
    return table


def write_tables(
    folder: Path,
    market: Market,
    config: MarketConfig,
    listings: pd.DataFrame | None,
    photos: pd.DataFrame | None,
    events: pd.DataFrame | None,
) -> None:
    """Write `market.toml` and the three tables into `folder`; a table that is None is copied from `market`."""
    folder.mkdir(parents=True, exist_ok=True)
    toml = market.tables / "market.toml"
    if config == market.config and toml.is_file():
        copy_file(toml, folder / toml.name)
    else:
        config.save(folder / "market.toml")
    for name, table in zip(TABLES, (listings, photos, events), strict=True):
        if table is not None:
            table.to_parquet(folder / f"{name}.parquet", index=False)
        elif (source := find_table(market.tables, name)) is not None:
            copy_file(source, folder / source.name)
