"""Fingerprints of a market's state: of its files, or of its tables in memory where they differ from the files."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from listing_vibes.market.io import TABLES, find_table

if TYPE_CHECKING:
    from listing_vibes.market.market import Market


def stamp(path: str | Path) -> tuple[int, ...] | None:
    """Return a value that changes when a file changes, without reading it; None where there is no file."""
    with suppress(OSError, ValueError):  # the name may be invalid
        status = os.stat(path)
        return status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size
    return None


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_stamps(folder: Path) -> list[Any]:
    """Return values that change when `market.toml` or one of the three tables changes, without reading them."""
    return [(file.name, stamp(file)) for file in _files(folder)]


def fingerprint_of(market: "Market") -> str:
    """Return the sha256 over `market.toml`, the three tables and files of vectors; where the files changed since they were read,
    over the tables that `market` holds.
    """
    if market.stamps is not None and market.stamps == file_stamps(market.tables):
        digest = hashlib.sha256()
        for file in _files(market.tables):
            digest.update(file.name.encode())
            digest.update(bytes.fromhex(file_sha256(file)))
    else:
        digest = _tables_digest(market)
    vectors = [market.path / setting.path for setting in market.config.vectors.values() if setting.path]
    if vectors:
        digest = hashlib.sha256(digest.hexdigest().encode())
        for file in filter(Path.is_file, vectors):
            digest.update(bytes.fromhex(file_sha256(file)))
    return digest.hexdigest()


def _tables_digest(market: "Market") -> Any:
    digest = hashlib.sha256(market.config.model_dump_json().encode())
    for table in (market.listings, market.photos, market.events):
        digest.update(f"{list(table.columns)} {len(table)}".encode())
        for name in table.columns:
            cells = table[name].astype("str") if table[name].dtype == object else table[name]
            digest.update(pd.util.hash_pandas_object(cells, index=False).to_numpy().tobytes())
    return digest


def _files(folder: Path) -> list[Path]:
    files = [folder / "market.toml", *(find_table(folder, name) for name in TABLES)]
    return [file for file in files if file is not None and file.is_file()]
