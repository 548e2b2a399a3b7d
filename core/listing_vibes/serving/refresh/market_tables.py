"""The stored tables of a market during a refresh, and the update of the market's folder to the published state."""

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.durable import copy_file, sweep_left
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.market.io import TABLES, find_table, read_table, table_files
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run

TOML = "market.toml"


def pinned_config(market: Market) -> MarketConfig:
    """Return the configuration with everything that was inferred from the market's rows, so that new rows change no inference."""
    config = market.config
    kinds = {
        attribute.name: config.attributes.get(attribute.name, AttributeConfig()).model_copy(
            update={"kind": attribute.kind, "decimal": attribute.decimal}
        )
        for attribute in market.attributes
        if type_of(attribute.kind).has_column
    }
    columns = raw_table(market, "listings").columns
    unused = [str(name) for name in columns if name not in market.listings and name not in config.excluded]
    update = {
        "attributes": {**config.attributes, **kinds},
        "actions": list(market.actions),
        "excluded": [*config.excluded, *unused],
    }
    return config.model_copy(update=update)


def raw_table(market: Market, name: str) -> pd.DataFrame:
    """Return a table of the market as stored on disk; an empty one without columns if there is none."""
    source = find_table(market.tables, name)
    return pd.DataFrame() if source is None else read_table(source)


def write_tables(
    folder: Path, market: Market, config: MarketConfig, tables: Mapping[str, pd.DataFrame]
) -> None:
    """Write `market.toml` and the three tables into `folder`; tables that are not in `tables` are copied from `market`."""
    folder.mkdir(parents=True, exist_ok=True)
    toml = market.tables / TOML
    if config == market.config and toml.is_file():
        copy_file(toml, folder / TOML)
    else:
        config.save(folder / TOML)
    for name in TABLES:
        if name in tables:
            tables[name].to_parquet(folder / f"{name}.parquet", index=False)
        elif (source := find_table(market.tables, name)) is not None:
            copy_file(source, folder / source.name)


def replaceable(run: Run, replaced: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of the files that the next state of `run` may replace in the market's folder: its tables and earlier ones."""
    known = {*_digests(run.market.tables).values(), *replaced.values()}
    stored = _digests(run.market_on_disk.path)
    return {name: digest for name, digest in stored.items() if digest in known}


def update_market_folder(run: Run, replaced: Mapping[str, str]) -> list[str]:
    """Write the tables of the run's state into the market's folder, file by file; return the written files.

    Readers of the run read its version. The folder is updated so that all other commands on the market see the new rows, too. After
    an interruption the next call completes the update.

    Args:
        replaced: digests of the files that the state replaces, see `replaceable`.

    Raises:
        VibesError: a file was changed by something else, or the folder cannot be written.
    """
    folder, tables, written = run.market_on_disk.path.resolve(), run.market.tables, list[str]()
    if not os.access(folder, os.W_OK):  # checked before anything is published
        raise VibesError(
            f"{folder} cannot be written, and a refresh brings the market's tables up to date, too; make the folder writable, "
            "or embed the run over a copy of it that is."
        )
    sweep_left(folder)
    if tables.resolve() == folder:
        if run.market_changed:
            raise changed_market(run)
        return written
    ours, stored = _digests(tables), _digests(folder)
    removed = {_table(name) for name in replaced} - {_table(name) for name in stored}
    if removed or not {*stored.values()} <= {*ours.values(), *replaced.values()}:
        raise changed_market(run)
    for name, digest in ours.items():
        if stored.get(name) != digest:
            copy_file(tables / name, folder / name)
            written.append(shown_path(folder / name))
    for name in stored.keys() - ours.keys():  # such as the CSV file that a Parquet file replaces
        (folder / name).unlink(missing_ok=True)
    return written


def _digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of `market.toml` and of each table in a folder, by file."""
    files = [folder / TOML, *(file for name in TABLES for file in table_files(folder, name))]
    return {file.name: file_sha256(file) for file in files if file.is_file()}


def shown_path(path: Path) -> str:
    """Return a path as a user would type it: relative to the working directory if it is below it."""
    path, here = path.resolve(), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _table(file: str) -> str:
    return file.partition(".")[0]


def changed_market(run: Run) -> VibesError:
    """Return the error of a market whose tables something else changed."""
    folder = shown_path(run.market_on_disk.path)
    return VibesError(
        f"The tables of {folder} were changed by something else since {run.path} was embedded or refreshed; "
        f"bring the run up to date with `vibes embed {folder} {run.path} --model {run.path}`."
    )
