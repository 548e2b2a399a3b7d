"""What a service writes: posted events, impressions and the experiment, in one database through SQLAlchemy.

Whatever a method returned from is committed. Writers of events wait for each other, so that ids grow in the order of commits: who reads all
events after an id misses none, whatever the clocks of the writers say.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from listing_vibes.market.columns import Columns as C
from listing_vibes.serving.database import PATIENCE_S, Database
from listing_vibes.serving.deadline import Late

#: Columns of a posted event, as it is read back; and of an answer, whose last one is JSON.
EVENT = (C.USER, C.LISTING, C.TIMESTAMP, C.POSITION, C.ACTION, C.DURATION, "event_id", "request_id")
IMPRESSION = ("request_id", "time", "kind", C.USER, "query", "arm", "answer")
#: Ids in one condition of a statement.
IDS = 500

_IDENTITY, _ERASURES, _EXPERIMENT = "identity", "erasures", "experiment"

Event = Mapping[str, Any]


class _Tables(NamedTuple):
    metadata: Any
    events: Any
    impressions: Any
    state: Any


@cache
def _tables() -> _Tables:
    import sqlalchemy as sql

    def number() -> Any:
        return sql.BigInteger().with_variant(sql.Integer(), "sqlite")

    def id_column() -> Any:
        return sql.Column("id", number(), primary_key=True, autoincrement=True)

    metadata = sql.MetaData()
    events = sql.Table(
        "vibes_events",  # the database may be that of a shop, with tables of its own
        metadata,
        id_column(),
        sql.Column("posted_at", number(), nullable=False),  # microseconds since 1970 UTC, for people
        sql.Column(C.USER, sql.Text, index=True),
        sql.Column(C.LISTING, sql.Text, nullable=False),
        sql.Column(C.TIMESTAMP, sql.Text),
        sql.Column(C.POSITION, number()),
        sql.Column(C.ACTION, sql.Text),
        sql.Column(C.DURATION, sql.Double),
        sql.Column("event_id", sql.Text, unique=True),
        sql.Column("request_id", sql.Text),
        sqlite_autoincrement=True,  # the id of a deleted event is not given again
    )
    impressions = sql.Table(
        "vibes_impressions",
        metadata,
        id_column(),
        sql.Column("request_id", sql.Text, nullable=False),
        sql.Column("time", number(), nullable=False),  # microseconds since 1970 UTC
        sql.Column("kind", sql.Text, nullable=False),
        sql.Column(C.USER, sql.Text, index=True),
        sql.Column("query", sql.Text),
        sql.Column("arm", sql.Text),
        sql.Column("answer", sql.Text, nullable=False),
    )
    state = sql.Table(
        "vibes_state", metadata, sql.Column("name", sql.Text, primary_key=True), sql.Column("value", sql.Text)
    )
    return _Tables(metadata, events, impressions, state)


class Store(Database):
    """Posted events, impressions and the experiment of a service, at a place; see `Database` for the arguments.

    Args:
        create: make the database where it is not there.
    """

    def __init__(
        self,
        place: str | Path,
        option: str,
        create: bool = False,
        deadline_s: float = PATIENCE_S,
        durable: bool = True,
    ) -> None:
        super().__init__(place, option, create, deadline_s, durable)
        if create:
            with self.write() as connection:
                _tables().metadata.create_all(connection)
                if self._state(connection, _IDENTITY) is None:
                    self._set_state(connection, _IDENTITY, secrets.token_hex(8))

    def append_events(
        self, posts: Sequence[Sequence[Event]], last_position: Callable[[str], int] | None = None
    ) -> list[list[str]]:
        """Append the events of some posts in one transaction, all or none; an id that is there already is not taken again.

        Args:
            last_position: of a user in the run, -1 where there is none; an event without a position gets the next one. None: events
                have timestamps.

        Returns:
            For each post the ids of its events that were there already.

        Raises:
            Late: another process held the lock.
            VibesError: the disk is full, or the database cannot be written.
        """
        events, now, rows = _tables().events, time.time_ns() // 1000, list[dict[str, Any]]()
        repeated: list[list[str]] = []
        with self.write() as connection:
            known = self._known_ids(
                connection, [one["event_id"] for post in posts for one in post if "event_id" in one]
            )
            for post in posts:
                again = []
                for event in post:
                    name = event.get("event_id")
                    if name is not None and name in known:
                        again.append(name)
                        continue
                    known |= {name} if name is not None else set()
                    rows.append({**dict.fromkeys(EVENT), **event, "posted_at": now})
                repeated.append(again)
            if last_position is not None:
                self._number_events(connection, rows, last_position)
            if rows:
                connection.execute(events.insert(), rows)
        return repeated

    def read_events(self, after: int = 0, newest: int | None = None) -> tuple[int, Sequence[Any]]:
        """Read what was appended after an id, in one snapshot.

        Args:
            newest: only so many of the last ids.

        Returns:
            How often users were deleted (then what was read before may be gone), and rows with `id`, `posted_at` and the columns
            `EVENT`.
        """
        import sqlalchemy as sql

        events = _tables().events
        columns = [events.c[name] for name in ("id", "posted_at", *EVENT)]
        statement = sql.select(*columns).where(events.c.id > after)
        with self.read() as connection:
            erasures = self._state(connection, _ERASURES)
            if newest is not None:
                last = connection.scalar(sql.select(sql.func.max(events.c.id))) or 0
                statement = statement.where(events.c.id > last - newest)
            return int(erasures or 0), connection.execute(statement.order_by(events.c.id)).all()

    def append_impressions(self, answers: Sequence[Mapping[str, Any]]) -> None:
        """Append answers, mappings of `IMPRESSION`, in one transaction.

        Raises:
            Late, VibesError: see `append_events`.
        """
        if answers:
            with self.write(ordered=False) as connection:
                connection.execute(_tables().impressions.insert(), list(answers))

    def read_impressions(self) -> Sequence[Any]:
        """Read all answers as rows of `IMPRESSION`, oldest first."""
        import sqlalchemy as sql

        table = _tables().impressions
        with self.read() as connection:
            return connection.execute(
                sql.select(*(table.c[name] for name in IMPRESSION)).order_by(table.c.time, table.c.id)
            ).all()

    def users(self) -> list[str]:
        """Every user that some row names."""
        import sqlalchemy as sql

        names = [sql.select(table.c[C.USER]) for table in (_tables().events, _tables().impressions)]
        with self.read() as connection:
            return [name for name in connection.scalars(sql.union(*names)) if name is not None]

    def delete_users(self, users: Collection[str]) -> int:
        """Delete all rows of users, and what SQLite keeps of their bytes; returns how many rows there were.

        Raises:
            Late, VibesError: see `append_events`; also where a reader keeps SQLite from removing its log.
        """
        names, count = list(users), 0
        if not names:
            return 0
        with self.write() as connection:
            for table in (_tables().events, _tables().impressions):
                for part in _parts(names):
                    count += connection.execute(table.delete().where(table.c[C.USER].in_(part))).rowcount
            erasures = int(self._state(connection, _ERASURES) or 0)
            self._set_state(connection, _ERASURES, str(erasures + 1))
        if self.is_sqlite:
            with self.read(transaction=False) as connection:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").first()[0]
            if busy:
                raise Late(
                    f"{self.name} is being read, so its log may hold these users still; run the same again."
                )
        return count

    def identity(self) -> str:
        """Return what tells this database from another one at the same place."""
        with self.read() as connection:
            return self._state(connection, _IDENTITY) or ""

    def begin_experiment(self, setup: str) -> str:
        """Return the experiment of the database as JSON: the one that it has, else `setup`, which it has from then on."""
        with self.write() as connection:
            there = self._state(connection, _EXPERIMENT)
            if there is None:
                self._set_state(connection, _EXPERIMENT, setup)
            return there or setup

    def experiment(self) -> str | None:
        """Return the experiment of the database as JSON; None where it has none."""
        with self.read() as connection:
            return self._state(connection, _EXPERIMENT)

    def _state(self, connection: Any, name: str) -> str | None:
        import sqlalchemy as sql

        state = _tables().state
        value: str | None = connection.scalar(sql.select(state.c.value).where(state.c.name == name))
        return value

    def _set_state(self, connection: Any, name: str, value: str) -> None:
        state = _tables().state
        connection.execute(state.delete().where(state.c.name == name))
        connection.execute(state.insert(), {"name": name, "value": value})

    def _known_ids(self, connection: Any, ids: Sequence[str]) -> set[str]:
        import sqlalchemy as sql

        column = _tables().events.c.event_id
        return {
            name
            for part in _parts(ids)
            for name in connection.scalars(sql.select(column).where(column.in_(part)))
        }

    def _number_events(
        self, connection: Any, rows: Sequence[dict[str, Any]], last_position: Callable[[str], int]
    ) -> None:
        """Give events without a position the one after the last of their user."""
        import sqlalchemy as sql

        events = _tables().events
        users = list({row[C.USER] or "" for row in rows})
        last = {user: last_position(user) for user in users}
        for part in _parts(users):
            statement = sql.select(events.c[C.USER], sql.func.max(events.c[C.POSITION]))
            for user, position in connection.execute(
                statement.where(events.c[C.USER].in_(part)).group_by(events.c[C.USER])
            ):
                last[user] = max(last[user], -1 if position is None else position)
        for row in rows:
            user = row[C.USER] or ""
            if row[C.POSITION] is None:
                row[C.POSITION] = last[user] + 1
            last[user] = max(last[user], row[C.POSITION])


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), IDS):
        yield ids[first : first + IDS]
