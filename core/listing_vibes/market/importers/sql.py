"""A database: each table of the market is a table or a query."""

from collections.abc import Iterator
from typing import Any

from listing_vibes.errors import VibesError
from listing_vibes.market.database import QUERY, connected, engine_of, query_of, read_frames, statement_of
from listing_vibes.market.importers._three_tables import SourceTable, ThreeTables
from listing_vibes.market.io import TABLES


class Sql(ThreeTables):
    """Write the market of tables or queries of a database with the market's column names (`SELECT buyer AS user_id`).

    By default the tables are `listings`, `photos` and `events`, the last two where they exist. In
    PostgreSQL all are read in one snapshot.

    Args:
        listings, photos, events: the name of a table, a query, or a file ending in `.sql` that holds one.
        photo_root: the folder that paths of photos are relative to; by default the current folder.
    """

    def open_tables(self, path: str) -> Iterator[SourceTable]:
        engine = engine_of(path, "PATH")
        try:
            with connected(engine) as connection:
                for name in TABLES:
                    if (source := self._source(connection, name)) is not None:
                        shown = f"What --{name} selects"
                        yield name, shown, read_frames(connection, source, shown)
        finally:
            engine.dispose()

    def _source(self, connection: Any, name: str) -> Any:
        """Return the statement that selects a table; None where it is not named and does not exist."""
        import sqlalchemy as sql

        inspector, given = sql.inspect(connection), self.names[name]
        if given is None and name != "listings" and not inspector.has_table(name):
            return None
        query = query_of(given or name, name)
        if QUERY.match(query):
            return statement_of(query)
        schema, _, table = query.strip().rpartition(".")
        if not inspector.has_table(table, schema=schema or None):
            tables = ", ".join(sorted(inspector.get_table_names(schema=schema or None))[:20])
            raise VibesError(
                f"The database has no table '{query.strip()}' for --{name}; name one of its tables ({tables or 'none'}) "
                "or write a query."
            )
        return sql.select(sql.text("*")).select_from(sql.table(table, schema=schema or None))
