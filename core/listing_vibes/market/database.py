"""A database through SQLAlchemy: its address, a query as a table, and what goes wrong in one sentence without a password."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from listing_vibes.errors import VibesError, needs

#: What a query begins with, behind comments; anything else names a table.
QUERY = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(select|with|values|table)\s", re.IGNORECASE | re.DOTALL)
#: Lines at its end that are comments.
_REMARKS = re.compile(r"(?:\n\s*--[^\n]*|\s)+\Z")


def engine_of(address: Any, told: str, **options: Any) -> Any:
    """A SQLAlchemy engine of a URL; `told` is what a sentence calls the address, such as "--database".

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
    in_memory = not file or file.startswith((":memory:", "file:"))
    if (
        file and engine.dialect.name == "sqlite" and not in_memory and not Path(file).is_file()
    ):  # to connect would make an empty one
        raise VibesError(f"There is no database {file}; check the address of {told}.")
    return engine


def queried(query: str) -> Any:
    """A query, which has no parameters, as what rows are selected from."""
    import sqlalchemy as sql

    # A comment in the last line must not take the bracket with it.
    return sql.text(f"({_REMARKS.sub('', query).strip().rstrip(';')}\n) AS vibes_news".replace(":", r"\:"))


def query_of(told: str, option: str) -> str:
    """A query as it is given: itself, or in a file that ends in `.sql`.

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
    """What a database said about `what`, such as "The query of --events", as a sentence."""
    reason = (str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__])[0]
    where = engine.url.render_as_string(hide_password=True)
    return VibesError(f"{what} failed on {where} ({reason}); mend the query or the database.")
