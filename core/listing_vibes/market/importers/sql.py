"""A database: each table of the market is a table or a query, read in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.database import (
    QUERY,
    connected,
    engine_of,
    queried,
    query_of,
    read_frames,
    select_all,
)
from listing_vibes.market.frames import as_table
from listing_vibes.market.importers._three_tables import CheckColumns, SourceTable, ThreeTables, open_parts
from listing_vibes.market.io import TABLES
from listing_vibes.market.storage import Place


class Sql(ThreeTables):
    """Write the market of tables or queries of a database with the market's column names (`SELECT buyer AS user_id`).

    By default the tables are `listings`, `photos` and `events`, the last two where they exist. In
    PostgreSQL all are read in one snapshot.

    Args:
        listings, photos, events: the name of a table, a query, or a file ending in `.sql` that holds one.
        photo_root: the folder that paths of photos are relative to; by default the current folder.
    """

    def open_tables(self, path: str, scratch: Path, check: CheckColumns) -> dict[str, SourceTable]:
        """Copy the tables to Parquet files in `scratch`."""
        engine, tables = engine_of(path, "PATH"), {}
        try:
            with connected(engine) as connection:
                for name in TABLES:
                    if (source := self._source(connection, name)) is not None:
                        tables[name] = _copy_rows(connection, name, source, scratch / name, check)
        finally:
            engine.dispose()
        return tables

    def _source(self, connection: Any, name: str) -> Any:
        """Return the source of a table's SELECT; None where it is not named and does not exist."""
        import sqlalchemy as sql

        inspector, given = sql.inspect(connection), self.names[name]
        if given is None and name != "listings" and not inspector.has_table(name):
            return None
        query = query_of(given or name, name)
        if QUERY.match(query):
            return queried(query)
        schema, _, table = query.strip().rpartition(".")
        if not inspector.has_table(table, schema=schema or None):
            tables = ", ".join(sorted(inspector.get_table_names(schema=schema or None))[:20])
            raise VibesError(
                f"The database has no table '{query.strip()}' for --{name}; name one of its tables ({tables or 'none'}) "
                "or write a query."
            )
        return sql.table(table, schema=schema or None)


def _copy_rows(connection: Any, name: str, source: Any, folder: Path, check: CheckColumns) -> SourceTable:
    """Copy a table to Parquet files in parts: the types of columns are known only after the last part."""
    folder.mkdir()
    shown, parts = f"What --{name} selects", list[Path]()
    for frame in read_frames(connection, select_all(source), shown):
        if not parts:
            check(name, shown, list(map(str, frame.columns)))
        part = pa.Table.from_pandas(as_table(frame, name), preserve_index=False)
        parts.append(folder / f"{len(parts):06d}.parquet")
        pq.write_table(part.replace_schema_metadata(None), parts[-1])
    try:
        return SourceTable(Place(None, str(folder), shown, f"--{name}"), open_parts(parts))
    except pa.ArrowException as error:
        raise VibesError(
            f"{shown} has values of several types in one column ({error}); cast it to one type in a query."
        ) from error
