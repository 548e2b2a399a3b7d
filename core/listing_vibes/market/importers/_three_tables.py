"""Importers of sources that already have the three tables: each is read in parts, and its columns are checked first."""

from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ClassVar

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.frames import as_table
from listing_vibes.market.importers import Importer
from listing_vibes.market.io import TableBudget
from listing_vibes.market.photo_files import is_url, may_be_photo
from listing_vibes.market.storage import StoragePath, storage_errors
from listing_vibes.market.tables import NEEDED, require
from listing_vibes.market.writer import write_market

COPIES = 8  # photos that are copied in parallel
#: A table of the market: its name, what messages call it, and its rows in parts, at least one.
SourceTable = tuple[str, str, Iterator[pd.DataFrame]]


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
    def open_tables(self, path: str) -> Iterator[SourceTable]:
        """Yield the tables that exist, always with listings; each is read before the next is opened.

        Raises:
            VibesError: listings or a named table do not exist or cannot be read.
        """

    def load_config(self, path: str) -> MarketConfig | None:
        """Return the source's `market.toml`; None where it has none."""
        return None

    def find_photos(self, path: str) -> StoragePath:
        """Return the folder that paths of photos are relative to."""
        return StoragePath.of(self.photo_root or ".", "--photo-root")

    def write(self, path: Path | str, target: Path) -> None:
        """Read the tables, then write them and copy the photos."""
        config = None
        if not (target / "market.toml").is_file():
            config = self.load_config(str(path)) or MarketConfig(name=target.resolve().name)
        tables = {name: _read(name, shown, parts) for name, shown, parts in self.open_tables(str(path))}
        copy = None
        if "photos" in tables:
            copy = partial(_copy_photos, tables["photos"], self.find_photos(str(path)), target)
        write_market(target, config, tables["listings"], tables.get("photos"), tables.get("events"), copy)


def _read(name: str, shown: str, parts: Iterator[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of a table as Parquet stores them; cells of several types become text."""
    budget, frames = TableBudget(shown), list[pd.DataFrame]()
    for part in parts:
        require(part, shown, NEEDED[name])
        budget.take(int(part.memory_usage(deep=True).sum()))
        frames.append(part)
    table = as_table(pd.concat(frames, ignore_index=True), name)
    if name == "listings" and table.empty:
        raise VibesError(f"{shown} has no rows; check the table.")
    return table


def _copy_photos(photos: pd.DataFrame, root: StoragePath, market: Path, target: Path) -> None:
    """Copy the files of paths relative to `root` into `target`, except those that the market has with the same size."""
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
