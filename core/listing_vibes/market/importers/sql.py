"""A database: each table of the market is a table or a query there, read a part at a time."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.database import (
    QUERY,
    column_names,
    connected,
    engine_of,
    queried,
    query_of,
    read_frames,
    select_all,
)
from listing_vibes.market.frames import as_table, photo_paths
from listing_vibes.market.importers._three_tables import ThreeTables
from listing_vibes.market.io import TABLES
from listing_vibes.market.writer import write_market

NEEDED = {
    "listings": (C.LISTING,),
    "photos": (C.LISTING, C.PATH),
    "events": (C.USER, C.LISTING),
}


class Sql(ThreeTables):
    """Write the market of tables or queries of a database; columns are called as the market calls them (`SELECT buyer AS user_id`).

    Where nothing is said, the tables `listings`, `photos` and `events` are taken, the last two as far as there are such. A
    `market.toml` that lies in the target stays. In PostgreSQL all are read in one snapshot.

    Args:
        listings, photos, events: the name of a table, a query, or a file ending in `.sql` that holds one.
        photo_root: where paths of photos start.
    """

    def write(self, path: Path | str, target: Path) -> None:
        engine = engine_of(str(path), "PATH")
        try:
            with connected(engine) as connection:
                sources = self._sources(connection)
                photos = self._photos(connection, sources) if "photos" in sources else None
                table, root = (None, None) if photos is None else photos
                known = (target / "market.toml").is_file()
                write_market(
                    target,
                    None if known else MarketConfig(name=target.resolve().name),
                    lambda file: _stream(connection, "listings", sources["listings"], file),
                    table,
                    (lambda file: _stream(connection, "events", sources["events"], file))
                    if "events" in sources
                    else None,
                    root,
                )
        finally:
            engine.dispose()

    def _sources(self, connection: Any) -> dict[str, Any]:
        """What each table is selected from; every one is asked for its columns before anything is written."""
        import sqlalchemy as sql

        there, found = sql.inspect(connection), {}
        for name in TABLES:
            told = self.told[name]
            if told is None and name != "listings" and not there.has_table(name):
                continue
            query = query_of(told or name, name)
            if QUERY.match(query):
                source: Any = queried(query)
            else:
                schema, _, table = query.strip().rpartition(".")
                if not there.has_table(table, schema=schema or None):
                    tables = ", ".join(sorted(there.get_table_names(schema=schema or None))[:20])
                    raise VibesError(
                        f"The database has no table '{query.strip()}' for --{name}; name one of its tables ({tables or 'none'}) "
                        "or write a query."
                    )
                source = sql.table(table, schema=schema or None)
            columns = column_names(connection, select_all(source), f"What --{name} selects")
            for needed in NEEDED[name]:
                if needed not in columns and not (needed == C.PATH and C.URL in columns):
                    raise VibesError(
                        f"What --{name} selects has no column '{needed}' (it has {', '.join(columns)}); write a query that gives "
                        f"one that name, such as SELECT {columns[0]} AS {needed}, ..."
                    )
            if name == "events" and not {C.TIMESTAMP, C.POSITION} & set(columns):
                raise VibesError(
                    f"What --events selects has neither '{C.TIMESTAMP}' nor '{C.POSITION}' (it has {', '.join(columns)}); write a "
                    "query that gives one of them."
                )
            found[name] = source
        return found

    def _photos(self, connection: Any, sources: dict[str, Any]) -> tuple[pd.DataFrame, Path]:
        frames = list(read_frames(connection, select_all(sources["photos"]), "What --photos selects"))
        return photo_paths(pd.concat(frames, ignore_index=True), self.photo_root)


def _stream(connection: Any, name: str, source: Any, file: Path) -> None:
    """Write a table, a part at a time: what type a column has is known when the last part was seen."""
    with TemporaryDirectory(dir=file.parent) as folder:
        parts, schema = [], pa.schema([])
        frames = read_frames(connection, select_all(source), f"What --{name} selects")
        for number, frame in enumerate(frames):
            part = pa.Table.from_pandas(as_table(frame, name), preserve_index=False).replace_schema_metadata(
                None
            )
            parts.append(Path(folder) / f"{number:06d}.parquet")
            pq.write_table(part, parts[-1])
            schema = part.schema if not number else _common(schema, part.schema)
        if name == "listings" and sum(pq.read_metadata(part).num_rows for part in parts) == 0:
            raise VibesError(
                "What --listings selects has no row, so there is no market; check the table or the query."
            )
        with pq.ParquetWriter(file, schema) as writer:
            for path in parts:
                part = pq.read_table(path)
                columns = [_cast(part[field.name], field, name) for field in schema]
                writer.write_table(pa.table(columns, schema=schema))


def _common(one: pa.Schema, two: pa.Schema) -> pa.Schema:
    """Types that hold what both hold; text where nothing else does."""
    fields = []
    for left, right in zip(one, two, strict=True):
        try:
            (field,) = pa.unify_schemas([pa.schema([left]), pa.schema([right])], promote_options="permissive")
        except (pa.ArrowTypeError, pa.ArrowInvalid):
            field = pa.field(left.name, pa.string())
        fields.append(field)
    return pa.schema(fields)


def _cast(column: pa.ChunkedArray, field: pa.Field, name: str) -> pa.ChunkedArray:
    try:
        return column if column.type == field.type else pc.cast(column, field.type)
    except pa.ArrowException as error:
        raise VibesError(
            f"What --{name} selects has values of several types in the column '{field.name}' ({column.type} and {field.type}); cast "
            "it to one in a query."
        ) from error
