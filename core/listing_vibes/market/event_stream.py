"""The events of a market in chunks, for markets whose events do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.column_names import rename_columns
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.io import check_text, find_table, read_header, read_table, to_frame
from listing_vibes.market.tables import events_table
from listing_vibes.market.user_names import UserNames

#: Rows of the events table in memory at a time.
ROWS = 500_000


def event_frames(
    path: Path, listings: pd.Series, config: MarketConfig, names: UserNames, rows: int = ROWS
) -> Iterator[pd.DataFrame]:
    """Yield the validated events of the market folder `path`, in chunks of at most `rows` rows.

    Each chunk is sorted by user and time; invalid rows are skipped as in `Market.open`. A CSV file is read as one chunk,
    and so is a Parquet file with times as text, since their format is inferred from all rows.

    Args:
        listings: ids of the market's listings, in listing order.
        names: the display names of users.

    Raises:
        VibesError: the table cannot be read, or lacks a required column.
    """
    source = find_table(path, "events")
    if source is None:
        return
    available, now = pd.Index(listings), pd.Timestamp.now("UTC")
    for part in _parts(source, rows, config):
        raw = rename_columns(part, source, config)
        table = events_table(raw, source, available, config, now)[0]
        yield table.assign(**{C.USER: names.shown(table[C.USER])})


def no_events(source: Path | None, config: MarketConfig) -> tuple[pd.DataFrame, list[str]]:
    """Return an empty events table with the columns of the file `source`, and the actions, for events that stay on disk."""
    if source is None:
        raw, source = pd.DataFrame({C.USER: [], C.LISTING: [], C.POSITION: []}), Path("events")
    else:
        raw = rename_columns(read_header(source), source, config)
    return events_table(raw, source, pd.Index([]), config, pd.Timestamp.now("UTC"))[:2]


def event_count(path: Path) -> int | None:
    """Return the number of rows of the events table of the market folder `path`; None where counting needs reading them."""
    source = find_table(path, "events")
    if source is None:
        return 0
    return pq.read_metadata(source).num_rows if source.suffix == ".parquet" else None


def _parts(source: Path, rows: int, config: MarketConfig) -> Iterator[pd.DataFrame]:
    if source.suffix != ".parquet":
        yield read_table(source)
        return
    header = read_header(source)
    column = rename_columns(header, source, config).get(C.TIMESTAMP)
    if column is not None and pd.api.types.is_string_dtype(column.dtype):
        yield read_table(source)
        return
    yield header  # so that the columns of an empty table are checked too
    try:
        with pq.ParquetFile(source) as file:
            for batch in file.iter_batches(rows):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    check_text(column, f"{source}, column {name}")
                yield to_frame(batch)
    except (pa.ArrowException, OSError) as error:
        raise VibesError(f"{source} cannot be read as a table ({error}); export it again.") from error
