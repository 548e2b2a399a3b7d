"""The events of a market part by part, for markets whose events do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from listing_vibes.errors import VibesError
from listing_vibes.market.arrow import to_frame
from listing_vibes.market.column_names import rename_columns
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.io import check_text, find_table, read_header, read_table
from listing_vibes.market.tables import events_table
from listing_vibes.market.user_names import UserNames

if TYPE_CHECKING:
    import pyarrow.dataset as ds

#: Rows of the events table that are in memory at once.
ROWS = 500_000


def event_frames(
    path: Path,
    listings: pd.Series,
    config: MarketConfig,
    names: UserNames,
    rows: int = ROWS,
) -> Iterator[pd.DataFrame]:
    """The validated events of the market folder `path`, at most `rows` of the table at a time.

    A parquet table is read as a pyarrow dataset, a CSV whole, and so is one with dates such as 01/03/2024, of which only all together
    tell whether the day or the month comes first. Each part is sorted by user and time in itself; rows
    that cannot be used are skipped as `Market.open` skips them.

    Args:
        listings: ids of the market's listings, in listing order.
        names: what users are called.

    Raises:
        VibesError: the table cannot be read, or lacks a column it needs.
    """
    source = find_table(path, "events")
    if source is None:
        return
    known, now = pd.Index(listings), pd.Timestamp.now("UTC")
    for part in _parts(source, rows, config):
        raw = rename_columns(part, source, config)
        table = events_table(raw, source, known, config, now)[0]
        yield table.assign(**{C.USER: names.shown(table[C.USER])}) if names.hashed else table


def no_events(source: Path | None, config: MarketConfig) -> tuple[pd.DataFrame, list[str]]:
    """The events of a market that nobody read: an empty table with the columns of the file `source`, and the actions."""
    if source is None:
        columns = {C.USER: "str", C.LISTING: "str", C.POSITION: "int64"}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()}), list(
            config.actions
        )
    raw = rename_columns(read_header(source), source, config)
    events, actions, _ = events_table(raw, source, pd.Index([]), config, pd.Timestamp.now("UTC"))
    return events, actions


def event_count(path: Path) -> int | None:
    """Rows of the events table of the market folder `path`; None where only reading it would tell."""
    source = find_table(path, "events")
    if source is None:
        return 0
    if source.suffix != ".parquet":
        return None
    import pyarrow.dataset as ds

    return ds.dataset(source, format="parquet").count_rows()


def _parts(source: Path, rows: int, config: MarketConfig) -> Iterator[pd.DataFrame]:
    if source.suffix != ".parquet":
        yield read_table(source)
        return
    import pyarrow.dataset as ds

    try:
        dataset = ds.dataset(source, format="parquet")
        if _has_slashes(dataset, config.columns.get("events", {}).get(C.TIMESTAMP, C.TIMESTAMP)):
            yield read_table(source)
            return
        yield dataset.schema.empty_table().to_pandas()  # so that a table without rows has its columns checked, too
        for batch in dataset.to_batches(batch_size=rows, batch_readahead=1, fragment_readahead=1):
            if batch.num_rows:
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    check_text(column, f"{source}, column {name}")
                yield to_frame(batch)
    except (pa.ArrowInvalid, OSError) as error:
        raise VibesError(f"{source} cannot be read as a table ({error}); export it again.") from error


def _has_slashes(dataset: ds.Dataset, mapped: str) -> bool:
    """Whether moments, which may stand in a `mapped` column, are written with slashes."""
    name = mapped if mapped in dataset.schema.names else C.TIMESTAMP
    if name not in dataset.schema.names:
        return False
    kind = dataset.schema.field(name).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    parts = dataset.to_batches(columns=[name])
    return any(pc.any(pc.match_substring(part.column(0), "/")).as_py() for part in parts)
