"""Writing a market folder: tables to temporary names first, photos by copy."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.durable import atomic_path, sync_all
from listing_vibes.market.io import TABLE_SUFFIXES, TABLES
from listing_vibes.market.tables import leaves_market

#: Rows in memory, or what writes them into a Parquet file.
Table: TypeAlias = pd.DataFrame | Callable[[Path], None]


def write_market(
    path: Path,
    config: MarketConfig | None,
    listings: Table,
    photos: pd.DataFrame | None = None,
    events: Table | None = None,
    photo_root: Path | None = None,
) -> None:
    """Write a market folder; photo files are copied from `photo_root / path` to `path / path`.

    All tables are written to temporary names first and replace the old ones together, `market.toml` before them,
    so that a writer that fails leaves the old market as it was and no table is ever read without its exclusions.
    Tables that are not given are removed. Photo paths that leave the market are not copied.

    Args:
        config: None: the `market.toml` that is there stays as it is.
        listings, events: a frame, or what writes the table into the Parquet file that it is called with.

    Raises:
        VibesError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    if photos is not None and photo_root is not None and C.PATH in photos:
        names = [name for name in photos[C.PATH].dropna().astype("str") if not leaves_market(name)]
        placed = [path / name for name in names if _place(Path(photo_root) / name, path / name)]
        sync_all(placed)  # one after the other, the disk would take many times as long
    with ExitStack() as stack:  # leaves in reverse order: market.toml is the first to be replaced
        for name, table in zip(TABLES, (listings, photos, events), strict=True):
            if table is not None:
                temporary = stack.enter_context(atomic_path(path / f"{name}.parquet"))
                if isinstance(table, pd.DataFrame):
                    table.to_parquet(temporary, index=False)
                else:
                    table(temporary)
        if config is not None:
            config.save(stack.enter_context(atomic_path(path / "market.toml")))
    for name, table in zip(TABLES, (listings, photos, events), strict=True):
        for suffix in TABLE_SUFFIXES:
            if table is None or suffix != ".parquet":
                (path / f"{name}{suffix}").unlink(missing_ok=True)


def _place(source: Path, target: Path) -> bool:
    """Whether a photo was copied; it has yet to be synced."""
    if not source.is_file() or (target.exists() and target.samefile(source)):
        return False
    with atomic_path(target, durable=False) as temporary:
        shutil.copyfile(source, temporary)
    return True
