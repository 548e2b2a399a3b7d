"""Importers of sources that already have the three tables: columns are checked first, then rows are copied in parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.column_names import names_in, rename_columns
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.durable import staging_folder
from listing_vibes.market.importers import Importer
from listing_vibes.market.io import check_text, to_frame
from listing_vibes.market.photo_files import is_url, may_be_photo
from listing_vibes.market.storage import Place, storage_errors
from listing_vibes.market.table_limit import TableBudget
from listing_vibes.market.tables import mapping_hint
from listing_vibes.market.writer import write_market

#: Rows in memory, photo rows while they are counted, and photos that are copied in parallel.
ROWS, FEW_ROWS, COPIES = 65_536, 1_024, 8
#: The columns that each table needs; of those separated by " or " one.
NEEDED = {
    "listings": (C.LISTING,),
    "photos": (C.LISTING, f"{C.PATH} or {C.URL}"),
    "events": (C.USER, C.LISTING, f"{C.TIMESTAMP} or {C.POSITION}"),
}
#: Checks the columns of a table: its name, what messages call it, and its columns.
CheckColumns = Callable[[str, str, Sequence[str]], None]


@dataclass(frozen=True)
class SourceTable:
    """One table of a source: its place, as messages call it, and its rows, which are read lazily."""

    place: Place
    rows: ds.Dataset

    def batches(self, size: int = ROWS) -> Iterator[pa.RecordBatch]:
        """Yield the rows in parts.

        Raises:
            VibesError: they cannot be read, or hold text that is not UTF-8.
        """
        with storage_errors(self.place):
            for batch in self.rows.to_batches(batch_size=size, batch_readahead=2, fragment_readahead=2):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    check_text(column, f"{self.place.shown}, column {name}")
                yield batch.replace_schema_metadata(None)

    def write(self, file: Path, may_be_empty: bool = True) -> None:
        """Write all rows as one Parquet file.

        Raises:
            VibesError: they cannot be read, or the table is empty where rows are required.
        """
        count = 0
        with pq.ParquetWriter(file, self.rows.schema.remove_metadata()) as out:
            for batch in self.batches():
                out.write_batch(batch)
                count += batch.num_rows
        if not count and not may_be_empty:
            raise VibesError(f"{self.place.shown} has no rows; check the table.")

    def read(self) -> pd.DataFrame:
        """Return all rows.

        Raises:
            VibesError: they cannot be read, or exceed the memory limit of a table.
        """
        budget, batches = TableBudget(self.place.shown), []
        for batch in self.batches(FEW_ROWS):  # a repeated text expands few bytes to many
            budget.take_batch(batch)
            batches.append(batch)
        return to_frame(pa.Table.from_batches(batches, self.rows.schema.remove_metadata()))


class ThreeTables(Importer):
    """A source whose URL holds the tables; each may be named where its name differs from the market's.

    An existing `market.toml` in the target stays.

    Args:
        listings, photos, events: the name of this table in the source; None: the market's name.
        photo_root: the folder that paths of photos are relative to.
    """

    address: ClassVar[bool] = True

    def __init__(
        self,
        listings: str | None = None,
        photos: str | None = None,
        events: str | None = None,
        photo_root: Path | str | None = None,
    ) -> None:
        self.names = {"listings": listings, "photos": photos, "events": events}
        self.photo_root = None if photo_root is None else str(photo_root)

    @abstractmethod
    def open_tables(self, path: str, scratch: Path, check: CheckColumns) -> dict[str, SourceTable]:
        """Return the existing tables, always with listings, each checked by `check` before its rows are read.

        Args:
            scratch: a folder for temporary copies.

        Raises:
            VibesError: listings or a named table do not exist, or lack a column.
        """

    def load_config(self, path: str, scratch: Path) -> MarketConfig | None:
        """Return the source's `market.toml`; None where it has none."""
        return None

    def find_photos(self, path: str) -> Place:
        """Return the folder that paths of photos are relative to."""
        return Place.of(self.photo_root or ".", "--photo-root")

    def write(self, path: Path | str, target: Path) -> None:
        """Check the columns of the tables, then copy rows and photos."""
        with staging_folder(target) as scratch:
            config = None
            if not (target / "market.toml").is_file():
                config = self.load_config(str(path), scratch) or MarketConfig(name=target.resolve().name)
            names = config or MarketConfig.load(target / "market.toml")
            tables = self.open_tables(str(path), scratch, partial(_check_columns, names))
            photos, copy = None, None
            if "photos" in tables:
                photos = rename_columns(tables["photos"].read(), Path("photos"), names)
                copy = partial(_copy_photos, photos, self.find_photos(str(path)), target)
            events = tables["events"].write if "events" in tables else None
            listings = partial(tables["listings"].write, may_be_empty=False)
            write_market(target, config, listings, photos, events, copy)


def _check_columns(config: MarketConfig, name: str, shown: str, columns: Sequence[str]) -> None:
    mapped = names_in(columns, Path(name), config, strict=False)
    have = [mapped.get(column, column) for column in columns]
    for needed in NEEDED[name]:
        if not set(needed.split(" or ")) & set(have):
            raise VibesError(
                f"{shown} lacks the column {needed} (it has {', '.join(have[:8])}); rename or add it"
                f"{mapping_hint(Path(name), needed.partition(' ')[0], have)}."
            )


def _copy_photos(photos: pd.DataFrame, root: Place, market: Path, target: Path) -> None:
    """Copy the files of paths relative to `root` into `target`, except those that the market has with the same size.

    Raises:
        VibesError: none of them exists.
    """
    if C.PATH not in photos:
        return
    paths = photos[C.PATH].dropna().astype("str").str.strip().unique()
    names = [name for name in paths if not is_url(name) and may_be_photo(name)]

    def copy(name: str) -> bool:
        present, source = market / name, root / name
        with storage_errors(source):
            if not source.files.isfile(source.path):
                return present.is_file()
            if present.is_file() and present.stat().st_size == source.files.size(source.path):
                return True
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        source.fetch(target / name)
        return True

    with ThreadPoolExecutor(COPIES) as pool:
        copied = list(pool.map(copy, names))
    if names and not any(copied) and C.URL not in photos:
        raise VibesError(
            f"None of {len(names):,} photos exists (the first is {(root / names[0]).shown}); give the folder of their paths with "
            "--photo-root."
        )


def open_parts(files: Sequence[str | Path], **options: object) -> ds.Dataset:
    """Return the rows of Parquet files, with types that can hold the values of all of them; `options` go to `pyarrow.dataset`."""
    rows = ds.dataset(files, format="parquet", **options)
    schemas = [rows.schema, *(part.physical_schema for part in rows.get_fragments())]
    schema = pa.unify_schemas(schemas, promote_options="permissive").remove_metadata()
    return ds.dataset(files, schema=schema, format="parquet", **options)
