"""Tables on object storage or in a folder: Parquet, in one or several files, or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from listing_vibes.errors import VibesError
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.importers._three_tables import SourceTable, ThreeTables, unify_schemas
from listing_vibes.market.io import TABLE_SUFFIXES, TABLES
from listing_vibes.market.storage import Place, is_address, plain, storage_errors
from listing_vibes.market.tables import leaves_market


class Tables(ThreeTables):
    """Write the market of the tables in a local folder or at a URL (`s3://bucket/shop`, or any other of fsspec).

    A table is a file (`events.parquet`, `.csv`, `.csv.gz`) or a folder of Parquet files (`events/`, `events.parquet/`), where
    partitions (`day=2024-05-01/`) become a column. Photos with paths relative to the folder are copied; those with a URL
    are left to `vibes download`. A `market.toml` in the target has priority over that of the folder.

    Args:
        listings, photos, events: the table's URL or path relative to the folder; may have wildcards.
        photo_root: the folder that paths of photos are relative to; by default the folder.
    """

    @contextmanager
    def open_tables(self, path: str, scratch: Path) -> Iterator[dict[str, SourceTable]]:
        """Yield the tables; only their columns are read."""
        folder, tables = Place.of(path, "PATH"), {}
        for name in TABLES:
            place, files = self._find(folder, name)
            if files:
                with storage_errors(place):
                    rows = _open_rows(place, files, scratch)
                tables[name] = SourceTable(
                    place.shown, rows.schema.names, partial(_return, rows), partial(storage_errors, place)
                )
        if "listings" not in tables:
            with storage_errors(folder):
                exists = folder.files.exists(folder.path)
            raise VibesError(
                f"{folder.shown} holds no listings.parquet, listings.csv, listings.csv.gz or folder listings; give their path "
                "with --listings."
                if exists
                else f"There is no {folder.shown}; check the address of PATH."
            )
        yield tables

    def load_config(self, path: str, scratch: Path) -> MarketConfig | None:
        """Return the folder's `market.toml`."""
        source = Place.of(path, "PATH") / "market.toml"
        with storage_errors(source):
            if not source.files.isfile(source.path):
                return None
        source.fetch(scratch / "market.toml")
        return MarketConfig.load(scratch / "market.toml")

    def find_photos(self, path: str) -> Place:
        """Return `photo_root`, or the folder."""
        return super().find_photos(path) if self.photo_root else Place.of(path, "PATH")

    def _find(self, folder: Place, name: str) -> tuple[Place, list[str]]:
        """Return the place of a table and its files; no files where it is not named and does not exist."""
        given = self.names[name]
        if given is None:
            places = [folder / f"{name}{ending}" for ending in (*TABLE_SUFFIXES, "")]
            return next(((place, files) for place in places if (files := _list_files(place))), (folder, []))
        is_elsewhere = is_address(given) or Path(given).is_absolute()
        place = Place.of(given, f"--{name}") if is_elsewhere else folder / given
        files = _list_files(place)
        if not files:
            raise VibesError(f"--{name}: there is no table {place.shown}; check the address.")
        return place, files


def _list_files(place: Place) -> list[str]:
    """Return the files of a table: the file, or the Parquet files of a folder except those that begin with `_` or `.`."""
    with storage_errors(place):
        if _has_wildcards(place):
            return sorted(
                str(name) for name in place.files.glob(place.path) if plain(name).endswith(TABLE_SUFFIXES)
            )
        named, is_folder = plain(place.path).endswith(TABLE_SUFFIXES), place.files.isdir(place.path)
        if (named or not is_folder) and place.files.isfile(
            place.path
        ):  # over http a folder counts as a file, too
            return [place.path]
    return sorted(place.find((".parquet",))) if is_folder else []


def _has_wildcards(place: Place) -> bool:
    return "*" in place.path or "[" in place.path  # `?` starts the query of a signed URL


def _open_rows(place: Place, files: list[str], scratch: Path) -> ds.Dataset:
    """Open Parquet files in place, or read CSV tables."""
    if not plain(files[0]).endswith(".parquet"):
        frames = [replace(place, path=name).read_table() for name in files]
        return ds.dataset(pa.Table.from_pandas(pd.concat(frames, ignore_index=True), preserve_index=False))
    root, source = "" if _has_wildcards(place) else place.path, place.files
    if "http" in str(place.files.protocol):  # many servers do not support range requests
        files, root, source = _fetch_files(place, files, Path(mkdtemp(dir=scratch)))
    options = {
        "filesystem": source, "format": "parquet", "partition_base_dir": root,
        "partitioning": ds.HivePartitioning.discover(infer_dictionary=False),
    }  # fmt: skip
    rows = ds.dataset(files, **options)
    schema = unify_schemas([rows.schema, *(part.physical_schema for part in rows.get_fragments())])
    return ds.dataset(files, schema=schema, **options)


def _fetch_files(place: Place, files: list[str], folder: Path) -> tuple[list[str], str, None]:
    """Download files with their relative paths."""
    copies = []
    for number, name in enumerate(files):
        inside = place.inside(plain(name))
        is_alone = _has_wildcards(place) or not inside or leaves_market(inside)
        local = folder / (f"{number}.parquet" if is_alone else inside)
        local.parent.mkdir(parents=True, exist_ok=True)
        place.files.get_file(name, str(local))
        copies.append(str(local))
    return copies, str(folder), None


def _return(rows: ds.Dataset) -> ds.Dataset:
    return rows
