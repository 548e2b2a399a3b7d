"""Tables on object storage or in a folder: Parquet, whole or in many parts, or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.arrow import to_frame
from listing_vibes.market.column_names import names_in, rename_columns
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.durable import staging_folder
from listing_vibes.market.importers._three_tables import ThreeTables
from listing_vibes.market.io import TABLE_SUFFIXES, TABLES, check_text
from listing_vibes.market.photo_urls import is_url
from listing_vibes.market.storage import Place, asked, is_address, plain
from listing_vibes.market.table_limit import TableBudget
from listing_vibes.market.tables import leaves_market, mapping_hint, may_be_photo
from listing_vibes.market.writer import write_market

#: Rows that are held at once, those of photos while they are counted, and photos that are copied at once.
ROWS, FEW_ROWS, COPIES = 65_536, 1_024, 8
NEEDED = {"listings": (C.LISTING,), "photos": (C.LISTING,), "events": (C.USER, C.LISTING)}
ONE_OF = {"listings": (), "photos": (C.PATH, C.URL), "events": (C.TIMESTAMP, C.POSITION)}


class Tables(ThreeTables):
    """Write the market of the tables in a folder here or at an address (`s3://bucket/shop`, whatever fsspec opens).

    A table is a file (`events.parquet`, `.csv`, `.csv.gz`) or a folder of Parquet files (`events/`, `events.parquet/`), those of
    partitions (`day=2024-05-01/`) with their column. Photos whose paths start at the folder are copied; those with an address
    are left to `vibes download`. A `market.toml` in the target stays, else that of the folder is taken.

    Args:
        listings, photos, events: where the table lies, by its address or from the folder on; may have wildcards.
        photo_root: where paths of photos start, instead of the folder.
    """

    def write(self, path: Path | str, target: Path) -> None:
        folder = Place.of(str(path), "PATH")
        found = {name: table for name in TABLES if (table := self._table(folder, name)) is not None}
        if "listings" not in found:
            with asked(folder):
                there = folder.files.exists(folder.path)
            raise VibesError(
                f"{folder.shown} holds no listings.parquet, listings.csv, listings.csv.gz or folder listings; say with --listings "
                "where they are."
                if there
                else f"There is no {folder.shown}; check the address of PATH."
            )
        with staging_folder(target) as scratch:
            tables = {name: _Table(place, files, scratch) for name, (place, files) in found.items()}
            config = self._config(folder, target, scratch)
            names = config or MarketConfig.load(target / "market.toml")
            for name, one in tables.items():
                one.check(name, names)
            photos = (
                rename_columns(tables["photos"].frame(), Path("photos"), names)
                if "photos" in tables
                else None
            )
            write_market(
                target,
                config,
                tables["listings"].write,
                photos,
                tables["events"].write if "events" in tables else None,
                None if photos is None else partial(_copy_photos, photos, self._root(folder), target),
            )

    def _config(self, folder: Place, target: Path, scratch: Path) -> MarketConfig | None:
        """What market.toml says; None where one lies in the target."""
        if (target / "market.toml").is_file():
            return None
        source = folder / "market.toml"
        with asked(source):
            there = source.files.isfile(source.path)
        if not there:
            return MarketConfig(name=target.resolve().name)
        source.fetch(scratch / "market.toml")
        return MarketConfig.load(scratch / "market.toml")

    def _root(self, folder: Place) -> Place:
        return folder if self.photo_root is None else Place.of(self.photo_root, "--photo-root")

    def _table(self, folder: Place, name: str) -> tuple[Place, list[str]] | None:
        """Where a table lies and the files that it is; None where nobody named it and there is none.

        Raises:
            VibesError: somebody named it and there is none.
        """
        told = self.told[name]
        if told is not None:
            place = (
                Place.of(told, f"--{name}") if is_address(told) or Path(told).is_absolute() else folder / told
            )
            files = _files(place)
            if not files:
                raise VibesError(f"--{name}: there is no table {place.shown}; check the address.")
            return place, files
        for ending in (*TABLE_SUFFIXES, ""):
            place = folder / f"{name}{ending}"
            if files := _files(place):
                return place, files
        return None


def _files(place: Place) -> list[str]:
    """The files of a table: itself, or the Parquet files below it, but for those that begin with `_` or `.`."""
    with asked(place):
        if _many(place):
            return sorted(
                str(name) for name in place.files.glob(place.path) if plain(name).endswith(TABLE_SUFFIXES)
            )
        named = plain(place.path).endswith(TABLE_SUFFIXES)
        if (named or not place.files.isdir(place.path)) and place.files.isfile(
            place.path
        ):  # over http a folder is both
            return [place.path]
        if not place.files.isdir(place.path):
            return []
    return sorted(place.find((".parquet",)))


def _many(place: Place) -> bool:
    """Whether a place has wildcards; a `?` begins the query of a signed address."""
    return "*" in place.path or "[" in place.path


def _copy_photos(photos: pd.DataFrame, root: Place, market: Path, target: Path) -> None:
    """Copy the files of paths that start at `root` into `target`, but for those that the market has in the same size.

    Raises:
        VibesError: not one of them is there.
    """
    if C.PATH not in photos:
        return
    names = [
        name
        for name in photos[C.PATH].dropna().astype("str").str.strip().unique()
        if not is_url(name) and may_be_photo(name)
    ]

    def copied(name: str) -> bool:
        there, source = market / name, root / name
        with asked(source):
            if not source.files.isfile(source.path):
                return there.is_file()
            if there.is_file() and there.stat().st_size == source.files.size(source.path):
                return True
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        source.fetch(target / name)
        return True

    with ThreadPoolExecutor(COPIES) as pool:
        there = list(pool.map(copied, names))
    if names and not any(there) and C.URL not in photos:
        raise VibesError(
            f"Not one of {len(names):,} photos is there (the first would be {(root / names[0]).shown}); say with --photo-root "
            "where their paths start."
        )


class _Table:
    """A table on a storage: its columns first, then its rows, a part at a time."""

    def __init__(self, place: Place, files: list[str], scratch: Path) -> None:
        self.place = place
        with asked(self.place):
            if plain(files[0]).endswith(".parquet"):
                root, source = "" if _many(place) else place.path, place.files
                if "http" in str(place.files.protocol):  # many a server gives no part of a file
                    files, root, source = self._fetched(files, Path(mkdtemp(dir=scratch)))
                told: dict[str, Any] = {
                    "filesystem": source, "format": "parquet", "partition_base_dir": root,
                    "partitioning": ds.HivePartitioning.discover(infer_dictionary=False),
                }  # fmt: skip
                first = ds.dataset(files, **told)
                schemas = [first.schema, *(part.physical_schema for part in first.get_fragments())]
                whole = pa.unify_schemas(schemas, promote_options="permissive")
                self._rows: Any = ds.dataset(files, schema=whole, **told)
            else:
                frames = [replace(place, path=name).read_table() for name in files]
                self._rows = ds.dataset(
                    pa.Table.from_pandas(pd.concat(frames, ignore_index=True), preserve_index=False)
                )
        self.schema: pa.Schema = self._rows.schema.remove_metadata()

    def _fetched(self, files: list[str], folder: Path) -> tuple[list[str], str, None]:
        """Copies of the files here, below each other as they are there."""
        found = []
        for number, name in enumerate(files):
            inside = self.place.inside(plain(name))
            local = folder / (
                f"{number}.parquet" if _many(self.place) or not inside or leaves_market(inside) else inside
            )
            local.parent.mkdir(parents=True, exist_ok=True)
            self.place.files.get_file(name, str(local))
            found.append(str(local))
        return found, str(folder), None

    def check(self, name: str, config: MarketConfig) -> None:
        """Raises:
        VibesError: it lacks a column that every such table has, or has no row where one is needed.
        """
        mapped = names_in(self.schema.names, Path(name), config, strict=False)
        have = [mapped.get(column, column) for column in self.schema.names]
        lacks = [column for column in NEEDED[name] if column not in have]
        if not lacks and ONE_OF[name] and not set(ONE_OF[name]) & set(have):
            lacks = [f"{ONE_OF[name][0]} or {ONE_OF[name][1]}"]
        if lacks:
            raise VibesError(
                f"{self.place.shown} lacks the column {lacks[0]} (it has {', '.join(have[:8])}); rename or add it"
                f"{mapping_hint(Path(name), lacks[0].partition(' ')[0], have)}."
            )
        if name == "listings":
            with asked(self.place):
                if not self._rows.count_rows():
                    raise VibesError(
                        f"{self.place.shown} has no row, so there is no market; check the table."
                    )

    def write(self, file: Path) -> None:
        """Write all rows as one Parquet file."""
        with pq.ParquetWriter(file, self.schema) as out:
            for batch in self._batches():
                out.write_batch(batch)

    def frame(self) -> pd.DataFrame:
        """Return all rows.

        Raises:
            VibesError: they take more memory than a table may.
        """
        budget, batches = TableBudget(self.place.shown), []
        for batch in self._batches(FEW_ROWS):  # one text that recurs makes of few bytes many
            budget.take_batch(batch)
            batches.append(batch)
        return to_frame(pa.Table.from_batches(batches, self.schema))

    def _batches(self, size: int = ROWS) -> Iterator[pa.RecordBatch]:
        batches = iter(self._rows.to_batches(batch_size=size, batch_readahead=2, fragment_readahead=2))
        while True:
            with asked(self.place):
                batch = next(batches, None)
            if batch is None:
                return
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                check_text(column, f"{self.place.shown}, column {name}")
            yield batch.replace_schema_metadata(None)
