"""A database: each table of the market is a table or a query there, read a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
from listing_vibes.market.database import QUERY, engine_of, failed, queried, query_of
from listing_vibes.market.frames import as_table, photo_paths
from listing_vibes.market.importers._three_tables import ThreeTables
from listing_vibes.market.io import TABLES
from listing_vibes.market.writer import write_market

#: Rows that are held at once.
CHUNK = 20_000
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
            with _connected(engine) as connection:
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
            columns = list(_asked(connection, name, source, empty=True).keys())
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
        frames = list(_frames(connection, "photos", sources["photos"]))
        return photo_paths(pd.concat(frames, ignore_index=True), self.photo_root)


@contextmanager
def _connected(engine: Any) -> Iterator[Any]:
    """A connection that reads one snapshot where the database has such, a part of the rows at a time."""
    import sqlalchemy as sql

    level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    try:
        connection = engine.connect().execution_options(stream_results=True, max_row_buffer=CHUNK, **level)
    except sql.exc.SQLAlchemyError as error:
        raise failed(engine, "Connecting", error) from error
    with connection:
        yield connection


def _asked(connection: Any, name: str, source: Any, empty: bool = False) -> Any:
    import sqlalchemy as sql

    every = sql.select(sql.text("*")).select_from(source)
    try:
        return connection.execute(every.where(sql.false()) if empty else every)
    except sql.exc.SQLAlchemyError as error:
        raise failed(connection.engine, f"What --{name} selects", error) from error


def _frames(connection: Any, name: str, source: Any) -> Iterator[pd.DataFrame]:
    """The rows, `CHUNK` at a time; one frame without rows where there are none."""
    import sqlalchemy as sql

    result = _asked(connection, name, source)
    columns, some = list(result.keys()), False
    try:
        for rows in result.partitions(CHUNK):
            some = True
            yield _frame([tuple(row) for row in rows], columns)
    except sql.exc.SQLAlchemyError as error:
        raise failed(connection.engine, f"What --{name} selects", error) from error
    if not some:
        yield pd.DataFrame(columns=columns)


def _frame(rows: list[tuple[Any, ...]], columns: list[str]) -> pd.DataFrame:
    """Rows as a frame, in which whole numbers stay such where some are missing, instead of floats that would damage large ids."""
    frame = pd.DataFrame.from_records(rows, columns=columns)
    for place, name in enumerate(columns):
        if columns.count(name) == 1 and frame[name].dtype.kind == "f" and frame[name].isna().any():
            cells = [row[place] for row in rows]
            if all(cell is None or type(cell) is int for cell in cells):
                frame[name] = pd.Series(cells, dtype=object)
    return frame


def _stream(connection: Any, name: str, source: Any, file: Path) -> None:
    """Write a table, a part at a time: what type a column has is known when the last part was seen."""
    with TemporaryDirectory(dir=file.parent) as folder:
        parts, schema = [], pa.schema([])
        for number, frame in enumerate(_frames(connection, name, source)):
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
