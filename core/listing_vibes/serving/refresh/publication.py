"""The next version of a run over the next state of its market, without a training; the market's tables, which follow it.

The state between refreshes is stored in the run folder and written after the publication, so after an interrupted refresh the same rows
are read again, which changes nothing.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.documents import read_json, write_text
from listing_vibes.market.durable import copy_file, sweep_left
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.market.io import TABLES, find_table, table_files
from listing_vibes.market.market import Market
from listing_vibes.run.engine import load_prepared, save_prepared
from listing_vibes.run.manifest import CENTER, LISTINGS
from listing_vibes.run.run import Run
from listing_vibes.run.save import ABOUT, MODEL, copy_files, link_file, write_files
from listing_vibes.run.versions import building, publish, stamp_of
from listing_vibes.serving.refresh.polls import Marks

TOML = "market.toml"
STATE = "refresh.json"


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
    """Return `Market.raw_table`; an empty table without columns if there is none."""
    table = market.raw_table(name)
    return pd.DataFrame() if table is None else table


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


class RefreshState(BaseModel):
    """The content of `refresh.json`.

    Attributes:
        embedded: id of the embedding of the run that the marks belong to; after a new embedding everything is read again.
        marks: marks by source and place.
        earlier: the marks from before the run was embedded again.
        replaced: digests of the files in the market's folder that the published state replaces.
        failing: since when frames of photos have some that cannot be read or fetched, in seconds since 1970.
    """

    embedded: list[Any] = []
    marks: dict[str, dict[str, Marks]] = {}
    earlier: dict[str, dict[str, Marks]] = {}
    replaced: dict[str, str] = {}
    failing: dict[str, float] = {}

    @classmethod
    def load(cls, run: Path) -> "RefreshState":
        """Read the state of a run; an empty one before the first refresh."""
        stamp = stamp_of(run)
        state = read_json(run / STATE, "remove it, and refresh again", cls.model_validate) or cls()
        embedded = [stamp.base, stamp.made]
        if state.embedded != embedded:
            state.embedded, state.earlier, state.marks = embedded, state.marks or state.earlier, {}
        return state

    def save(self, run: Path) -> None:
        """Write the state into the run folder."""
        write_text(run / STATE, self.model_dump_json())


@contextmanager
def next_version(
    run: Run,
    market: Market,
    config: MarketConfig,
    state: RefreshState,
    tables: Mapping[str, pd.DataFrame] | None = None,
    encode: Callable[[Market], Run] | None = None,
) -> Iterator[Path]:
    """Yield the folder of the next version of a locked run with the tables of its market, and publish it at the end.

    Args:
        market: the market of the run's state; tables: those that changed.
        state: saved with what the version replaces in the market's folder.
        encode: returns the run over the given market, with the vectors of all listings; None: they are those of `run`.
    """
    state.replaced = replaceable(run, state.replaced)
    state.save(run.path)  # before the publication, and before the tables become Parquet
    with building(run.path) as built:
        write_tables(built / "market", market, config, tables or {})
        yield built
        after = Market.open(market.path, tables=built / "market")
        if encode is not None:
            write_files(encode(after), built, after.fingerprint, run.folder, link_file)
        else:
            copy_files(run.folder, built, (*MODEL, *ABOUT, LISTINGS, CENTER), link_file)
            if (features := load_prepared(run.folder, run.manifest.fingerprint)) is not None:
                save_prepared(built, features, after.fingerprint)
        place = run.manifest.market
        if not Path(place).is_absolute() and run.folder == run.path:
            place = str(Path("..", "..", place))  # from the folder of a version
        update = {"market": place, "fingerprint": after.fingerprint}
        publish(run.path, built, run.manifest.model_copy(update=update))
