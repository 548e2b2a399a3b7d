"""A market's tables as they are extended: every row that is there stays, columns have the types the market reads them as."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from core.market.columns import Columns as C
from core.market.config import AttributeConfig, MarketConfig
from core.market.durable import copy_file
from core.market.io import TABLES, find_table, read_table
from core.market.kinds import kind_of
from core.market.market import Market
from core.market.moments import to_moments
from core.market.photo_urls import with_paths
from core.market.tables import as_ids
from core.market.values import to_numbers


def pinned(market: Market) -> MarketConfig:
    """The market's configuration with all that was inferred from its rows, so that new rows change no meaning."""
    config = market.config
    kinds = {
        a.name: config.attributes.get(a.name, AttributeConfig()).model_copy(
            update={"kind": a.kind, "decimal": a.decimal}
        )
        for a in market.attributes
        if kind_of(a.kind).own_column
    }
    source = find_table(market.tables, "listings")
    assert source is not None  # the market was read from it
    unused = [
        name
        for name in map(str, read_table(source).columns)
        if name not in market.listings and name not in config.excluded
    ]
    update = {
        "attributes": {**config.attributes, **kinds},
        "actions": list(market.actions),
        "excluded": [*config.excluded, *unused],
    }
    return config.model_copy(update=update)


def whole_listings(market: Market) -> pd.DataFrame:
    """`market.listings` with the columns that it leaves out, as they lie on disk, behind them."""
    source = find_table(market.tables, "listings")
    assert source is not None
    raw = read_table(source)
    unused = [name for name in raw.columns if name not in market.listings]
    return pd.concat([market.listings, raw[unused]], axis=1)


def whole_photos(market: Market) -> pd.DataFrame:
    """All rows of the photos table: `listing_id, path` and maybe `position`."""
    source = find_table(market.tables, "photos")
    if source is None:
        return market.photos
    raw = with_paths(read_table(source))
    table = raw.assign(**{C.LISTING: as_ids(raw[C.LISTING]), C.PATH: raw[C.PATH].astype("str")})
    if C.POSITION in raw:
        table[C.POSITION] = to_numbers(raw[C.POSITION])[0]
    return table


def whole_events(market: Market) -> pd.DataFrame:
    """All rows of the events table, also those that the market skips, with the types of `Market.events`."""
    source = find_table(market.tables, "events")
    if source is None:
        return market.events
    raw = read_table(source)
    columns = {C.USER: as_ids(raw[C.USER]), C.LISTING: as_ids(raw[C.LISTING])}
    if C.TIMESTAMP in raw:
        columns[C.TIMESTAMP] = to_moments(raw[C.TIMESTAMP], whole=True)[0]
    else:
        columns[C.POSITION] = pd.Series(to_numbers(raw[C.POSITION])[0]).astype("Int64")
    if C.ACTION in raw:
        columns[C.ACTION] = as_ids(raw[C.ACTION])
    if C.DURATION in raw:
        columns[C.DURATION] = pd.Series(to_numbers(raw[C.DURATION])[0])
    return raw.assign(**columns)


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
