"""New rows from a SQL query, through SQLAlchemy."""

from __future__ import annotations

import time
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.database import column_names, connected, engine_of, queried, read_frames, select_all
from listing_vibes.serving.refresh.sources import Frame, News, State

CURSOR = "cursor"
#: Newest rows that are read once more at the next look: a transaction may become visible after a younger one.
OVERLAP = 5000


class SqlSource:
    """The rows of a query on a database.

    Where the query gives a column `cursor` (a number, a text or a moment that new and changed rows have larger than all
    before, such as an id or `updated_at`), only rows from there on are read, and the newest `OVERLAP` of the last look
    once more; otherwise all rows at every look. Rows that are known already change nothing.

    Raises:
        VibesError: SQLAlchemy or the database's driver is not installed, or the address is none.
    """

    def __init__(self, address: str, query: str, name: str) -> None:
        self.query, self.name = query.strip().rstrip(";"), name
        self.place_name = f"the tables of the query of --{name}"
        self.engine = engine_of(address, "--database")

    def look(self, state: State) -> News:
        """See `Source`."""
        started = time.time()
        state = state if state.get("query") == self.query else {"query": self.query}
        with connected(self.engine) as connection:
            rows = self._read(connection, _loaded(state.get("since")))
        mark: State = {"looked": started}
        if CURSOR in rows:
            values = rows.pop(CURSOR).dropna()
            if len(values):
                _stored(
                    values.iloc[-1]
                )  # one that is none is told at the first look, not once there are many rows
            if len(values) > OVERLAP:  # before that, rows below the first one may still become visible
                mark["since"] = _stored(values.iloc[len(values) - OVERLAP])
        return News(
            [Frame(f"the query of --{self.name}", rows, None, mark, state.get("looked", started))],
            dict(state),
        )

    def _read(self, connection: Any, since: Any) -> pd.DataFrame:
        import sqlalchemy as sql

        what, every = f"The query of --{self.name}", select_all(queried(self.query))
        if CURSOR in column_names(connection, every, what):
            cursor: Any = sql.column(CURSOR)
            every = every.order_by(cursor)
            if since is not None:
                every = every.where(cursor >= since)
        return pd.concat(read_frames(connection, every, what), ignore_index=True)


def _stored(value: Any) -> Any:
    """A cursor as JSON.

    Raises:
        VibesError: neither a whole number, a text, a day nor a moment.
    """
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    if isinstance(value, str):
        return value
    whole = isinstance(value, float | Decimal) and value == value // 1
    if isinstance(value, int | np.integer) or whole:
        return int(value)
    raise VibesError(
        f"The column '{CURSOR}' of the query holds {value!r}; select a whole number, a text or a moment."
    )


def _loaded(value: Any) -> Any:
    if isinstance(value, dict):
        return date.fromisoformat(value["day"]) if "day" in value else datetime.fromisoformat(value["moment"])
    return value
