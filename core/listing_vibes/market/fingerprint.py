"""What identifies the state of a market: its files as they were read, or its tables where these are no longer those of the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from listing_vibes.market.io import TABLES, find_table
from listing_vibes.market.kept import stamp

if TYPE_CHECKING:
    from listing_vibes.market.market import Market


@dataclass(eq=False, repr=False)
class Source:
    """The files that a market was read from, and the tables that were made of them.

    Attributes:
        stamps: what tells of each file whether it is as it was read.
        listings: the table, or the parts that it is put together from once it is needed.
    """

    folder: Path
    stamps: list[Any]
    has_events: bool
    listings: Any = None
    photos: pd.DataFrame | None = None
    events: pd.DataFrame | None = None

    @classmethod
    def of(cls, folder: Path, has_events: bool = True) -> Source:
        """Note the files of a folder before they are read."""
        return cls(folder, _stamps(folder), has_events)

    def made(self, listings: Any, photos: pd.DataFrame, events: pd.DataFrame) -> Source:
        """Note the tables that were made of the files."""
        return replace(self, listings=listings, photos=photos, events=events)

    @property
    def is_unchanged(self) -> bool:
        """Whether the files are still those that were read."""
        return self.stamps == _stamps(self.folder)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_digest(folder: Path) -> str:
    """Return the sha256 over `market.toml` and the three tables as they lie in a folder."""
    digest = hashlib.sha256()
    for file in _files(folder):
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def tables_digest(market: Market) -> str:
    """Return the sha256 over the configuration and the tables of a market in memory."""
    digest = hashlib.sha256(market.config.model_dump_json().encode())
    for table in (market.listings, market.photos, market.events):
        digest.update(f"{list(table.columns)} {len(table)}".encode())
        for name in table.columns:
            column = table[name]
            cells = column.astype("str") if column.dtype == object else column
            digest.update(pd.util.hash_pandas_object(cells, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for file in [folder / "market.toml", *(find_table(folder, name) for name in TABLES)]:
        if file is not None and file.is_file():
            yield file


def _stamps(folder: Path) -> list[Any]:
    return [(file.name, stamp(file)) for file in _files(folder)]


def with_files(tables: str, files: Sequence[Path]) -> str:
    """Return the digest `tables`, or where there are `files` one over these as well."""
    if not files:
        return tables
    digest = hashlib.sha256(tables.encode())
    for file in filter(Path.is_file, files):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
