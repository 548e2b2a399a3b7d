"""Tables on object storage or in a folder: Parquet, in one or several files, or CSV."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.durable import scratch_folder
from listing_vibes.market.importers._three_tables import SourceTable, ThreeTables
from listing_vibes.market.io import TABLE_SUFFIXES, TABLES
from listing_vibes.market.storage import StoragePath, is_address, plain, storage_errors


class Tables(ThreeTables):
    """Write the market of the tables in a local folder or at a URL (`s3://bucket/shop`, or any other of fsspec).

    A table is a file (`events.parquet`, `.csv`, `.csv.gz`) or a folder of Parquet files (`events/`, `events.parquet/`), where
    partitions (`day=2024-05-01/`) become a column. Photos with paths relative to the folder are copied; those with a URL
    are left to `vibes download`. A `market.toml` in the target has priority over that of the folder.

    Args:
        listings, photos, events: the table's URL or path relative to the folder; may have wildcards.
        photo_root: the folder that paths of photos are relative to; by default the folder.
    """

    def open_tables(self, path: str) -> Iterator[SourceTable]:
        folder = StoragePath.of(path, "PATH")
        for name in TABLES:
            place, files = self._find(folder, name)
            if files:
                yield name, place.shown, _read_parts(place, files)
            elif name == "listings":
                with storage_errors(folder):
                    if not folder.files.exists(folder.path):
                        raise FileNotFoundError
                raise VibesError(
                    f"{folder.shown} holds no listings.parquet, listings.csv, listings.csv.gz or folder listings; give their path "
                    "with --listings."
                )

    def load_config(self, path: str) -> MarketConfig | None:
        source = StoragePath.of(path, "PATH") / "market.toml"
        with storage_errors(source):
            if not source.files.isfile(source.path):
                return None
        with scratch_folder() as scratch:
            source.fetch(scratch / "market.toml")
            return MarketConfig.load(scratch / "market.toml")

    def find_photos(self, path: str) -> StoragePath:
        return super().find_photos(path) if self.photo_root else StoragePath.of(path, "PATH")

    def _find(self, folder: StoragePath, name: str) -> tuple[StoragePath, list[str]]:
        """Return the place of a table and its files; no files where it is not named and does not exist."""
        given = self.names[name]
        if given is None:
            places = [folder / f"{name}{ending}" for ending in (*TABLE_SUFFIXES, "")]
            return next(((place, files) for place in places if (files := _list_files(place))), (folder, []))
        is_elsewhere = is_address(given) or Path(given).is_absolute()
        place = StoragePath.of(given, f"--{name}") if is_elsewhere else folder / given
        files = _list_files(place)
        if not files:
            raise VibesError(f"--{name}: there is no table {place.shown}; check the address.")
        return place, files


def _list_files(place: StoragePath) -> list[str]:
    """Return the files of a table: the file, or the Parquet files of a folder except those that begin with `_` or `.`."""
    with storage_errors(place):
        if _has_wildcards(place):
            names = map(str, place.files.glob(place.path))
            return sorted(name for name in names if plain(name).endswith(TABLE_SUFFIXES))
        if plain(place.path).endswith(TABLE_SUFFIXES) and place.files.isfile(place.path):
            return [place.path]
        is_folder = place.files.isdir(place.path)
    return sorted(place.find((".parquet",))) if is_folder else []


def _has_wildcards(place: StoragePath) -> bool:
    return "*" in place.path or "[" in place.path  # `?` starts the query of a signed URL


def _read_parts(place: StoragePath, files: list[str]) -> Iterator[pd.DataFrame]:
    """Yield the rows of each file, with the partitions that its folders name (`day=2024-05-01/`) as columns."""
    base = re.split(r"[*\[]", place.path)[0].rpartition("/")[0] if _has_wildcards(place) else place.path
    for name in files:
        rows = replace(place, path=name).read_table()
        folders = name.removeprefix(base).split("/")[:-1]
        partitions = dict(folder.split("=", 1) for folder in folders if "=" in folder)
        yield rows.assign(**{key: value for key, value in partitions.items() if key not in rows})
