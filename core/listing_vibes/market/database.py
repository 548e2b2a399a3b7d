"""A database through SQLAlchemy: its address, a query as a table, and what goes wrong in one sentence without a password."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.errors import VibesError, needs

#: What a query begins with, behind comments; anything else names a table.
QUERY = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(select|with|values|table)\s", re.IGNORECASE | re.DOTALL)
#: Rows that are held at once.
CHUNK = 20_000
#: Lines at its end that are comments.
_REMARKS = re.compile(r"(?:\n\s*--[^\n]*|\s)+\Z")


def engine_of(address: Any, told: str, **options: Any) -> Any:
    """Return a SQLAlchemy engine of a URL; `told` is what a sentence calls the address, such as "--database".

    Args:
        options: of `sqlalchemy.create_engine`.

    Raises:
        VibesError: SQLAlchemy or the database's driver is not installed, the address is none, or names a file that is not there.
    """
    with needs("A database", "sources"):
        import sqlalchemy as sql
    try:
        engine = sql.create_engine(address, pool_pre_ping=True, **options)
    except ImportError as error:
        raise VibesError(
            f"The database of {told} needs the Python package {error.name}; install it with pip."
        ) from error
    except sql.exc.ArgumentError as error:
        raise VibesError(
            f"The address of {told} is none that SQLAlchemy knows; give for example "
            "postgresql+psycopg://user@host/name."
        ) from error
    file = engine.url.database
    is_file = engine.dialect.name == "sqlite" and not (file or ":memory:").startswith((":memory:", "file:"))
    if file and is_file and not Path(file).is_file():  # to connect would make an empty one
        raise VibesError(f"There is no database {file}; check the address of {told}.")
    return engine


def queried(query: str) -> Any:
    """Return a query, which has no parameters, as what rows are selected from."""
    import sqlalchemy as sql

    # A comment in the last line must not take the bracket with it.
    return sql.text(f"({_REMARKS.sub('', query).strip().rstrip(';')}\n) AS vibes_news".replace(":", r"\:"))


def query_of(told: str, option: str) -> str:
    """Return a query as it is given: itself, or in a file that ends in `.sql`.

    Raises:
        VibesError: the file cannot be read.
    """
    if not told.endswith(".sql"):
        return told
    try:
        return Path(told).read_text(encoding="utf-8")
    except OSError as error:
        raise VibesError(f"Cannot read --{option} {told} ({error.strerror}); check the path.") from error


def failed(engine: Any, what: str, error: Exception) -> VibesError:
    """Return the error of a database about `what`, such as "The query of --events", as a sentence."""
    reason = (str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__])[0]
    where = engine.url.render_as_string(hide_password=True)
    return VibesError(f"{what} failed on {where} ({reason}); correct the query or the database.")


@contextmanager
def connected(engine: Any) -> Iterator[Any]:
    """Yield a connection that reads one snapshot where the database has such, a part of the rows at a time.

    Raises:
        VibesError: there is no connection.
    """
    import sqlalchemy as sql

    level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    try:
        connection = engine.connect().execution_options(stream_results=True, max_row_buffer=CHUNK, **level)
    except sql.exc.SQLAlchemyError as error:
        raise failed(engine, "Connecting", error) from error
    with connection:
        yield connection


def column_names(connection: Any, statement: Any, what: str) -> list[str]:
    """Return the names of the columns that a SELECT gives, without reading rows.

    Raises:
        VibesError: the database refuses the statement.
    """
    import sqlalchemy as sql

    with _one_sentence(connection, what):
        return list(connection.execute(statement.where(sql.false())).keys())


def read_frames(connection: Any, statement: Any, what: str) -> Iterator[pd.DataFrame]:
    """Yield the rows of a SELECT, `CHUNK` at a time; one frame without rows where there are none.

    Raises:
        VibesError: the database refuses the statement, or fails on the way.
    """
    with _one_sentence(connection, what):
        result = connection.execute(statement)
        columns, is_empty = list(result.keys()), True
        for rows in result.partitions(CHUNK):
            is_empty = False
            yield _frame([tuple(row) for row in rows], columns)
    if is_empty:
        yield pd.DataFrame(columns=columns)


def select_all(source: Any) -> Any:
    """Return a SELECT of all columns and rows of a table, or of what `queried` gives."""
    import sqlalchemy as sql

    return sql.select(sql.text("*")).select_from(source)


@contextmanager
def _one_sentence(connection: Any, what: str) -> Iterator[None]:
    import sqlalchemy as sql

    try:
        yield
    except sql.exc.SQLAlchemyError as error:
        raise failed(connection.engine, what, error) from error


def _frame(rows: list[tuple[Any, ...]], columns: list[str]) -> pd.DataFrame:
    """Rows as a frame, in which whole numbers stay such where some are missing, instead of floats that would damage large ids."""
    frame = pd.DataFrame.from_records(rows, columns=columns)
    for place, name in enumerate(columns):
        if columns.count(name) == 1 and frame[name].dtype.kind == "f" and frame[name].isna().any():
            cells = [row[place] for row in rows]
            if all(cell is None or type(cell) is int for cell in cells):
                frame[name] = pd.Series(cells, dtype=object)
    return frame
