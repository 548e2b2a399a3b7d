"""Database access through SQLAlchemy: engines, queries as tables, and errors in one sentence without passwords."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.errors import VibesError, needs

#: The start of a query, after comments; anything else is the name of a table.
QUERY = re.compile(
    r"\A(?:\s++|--[^\n]*+\n|/\*(?:[^*]|\*(?!/))*+\*/)*+(select|with|values|table)\s", re.IGNORECASE
)
#: Rows in memory at a time.
CHUNK = 20_000


def engine_of(address: Any, label: str, **options: Any) -> Any:
    """Return a SQLAlchemy engine of a URL; `label` is what messages call the URL, such as "--database".

    Raises:
        VibesError: SQLAlchemy or the database's driver is not installed, the URL is invalid, or it names a file that does not exist.
    """
    with needs("A database", "sources"):
        import sqlalchemy as sql
    try:
        engine = sql.create_engine(address, pool_pre_ping=True, **options)
    except ImportError as error:
        raise VibesError(
            f"The database of {label} needs the Python package {error.name}; install it with pip."
        ) from error
    except sql.exc.ArgumentError as error:
        raise VibesError(
            f"The address of {label} is not a database URL of SQLAlchemy; give for example "
            "postgresql+psycopg://user@host/name."
        ) from error
    file = engine.url.database
    is_file = engine.dialect.name == "sqlite" and not (file or ":memory:").startswith((":memory:", "file:"))
    if file and is_file and not Path(file).is_file():  # connecting would create an empty one
        raise VibesError(f"There is no database {file}; check the address of {label}.")
    return engine


def statement_of(query: str) -> Any:
    """Return a query without parameters as a statement."""
    import sqlalchemy as sql

    return sql.text(query.replace(":", r"\:"))


def query_of(text: str, option: str) -> str:
    """Return the text of a query, which is given directly or as the path of a `.sql` file."""
    if not text.endswith(".sql"):
        return text
    try:
        return Path(text).read_text(encoding="utf-8")
    except OSError as error:
        raise VibesError(f"Cannot read --{option} {text} ({error.strerror}); check the path.") from error


def failed(engine: Any, what: str, error: Exception) -> VibesError:
    """Return a database error about `what`, such as "The query of --events", as one sentence."""
    reason = (str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__])[0]
    where = engine.url.render_as_string(hide_password=True)
    return VibesError(f"{what} failed on {where} ({reason}); correct the query or the database.")


@contextmanager
def connected(engine: Any) -> Iterator[Any]:
    """Yield a connection that reads one snapshot where the database supports it, and streams rows."""
    import sqlalchemy as sql

    level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    try:
        connection = engine.connect().execution_options(stream_results=True, max_row_buffer=CHUNK, **level)
    except sql.exc.SQLAlchemyError as error:
        raise failed(engine, "Connecting", error) from error
    with connection:
        yield connection


def read_frames(connection: Any, statement: Any, what: str) -> Iterator[pd.DataFrame]:
    """Yield the rows of a SELECT, `CHUNK` at a time; one empty frame where there are none.

    Raises:
        VibesError: the database rejects the statement, or fails while reading.
    """
    import sqlalchemy as sql

    try:
        result = connection.execute(statement)
        columns, is_empty = list(result.keys()), True
        for rows in result.partitions(CHUNK):
            is_empty = False
            yield _frame([tuple(row) for row in rows], columns)
    except sql.exc.SQLAlchemyError as error:
        raise failed(connection.engine, what, error) from error
    if is_empty:
        yield pd.DataFrame(columns=columns)


def _frame(rows: list[tuple[Any, ...]], columns: list[str]) -> pd.DataFrame:
    """Return rows as a frame; integer columns with missing cells stay integers, since floats would damage large ids."""
    frame = pd.DataFrame.from_records(rows, columns=columns)
    for place, name in enumerate(columns):
        if columns.count(name) == 1 and frame[name].dtype.kind == "f" and frame[name].isna().any():
            cells = [row[place] for row in rows]
            if all(cell is None or type(cell) is int for cell in cells):
                frame[name] = pd.Series(cells, dtype=object)
    return frame
