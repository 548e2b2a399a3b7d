"""Posted events: their fields, how they are committed, and the history of a user from the run and the posted events."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import sqlalchemy as sql
from pydantic import BaseModel, ConfigDict, Field

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.moments import to_moments
from listing_vibes.market.values import id_text
from listing_vibes.request_errors import RequestError
from listing_vibes.run.histories import Event, events_at
from listing_vibes.run.run import Run
from listing_vibes.serving.event_database import Database, events_table, parts

#: Columns of a posted event.
EVENT = (C.USER, C.LISTING, C.TIMESTAMP, C.ACTION, C.DURATION, "event_id", "request_id")
#: Maximum number of posted events of one user in a history; the newest are used.
MAX_USER_EVENTS = 1000
#: Seconds that a client's clock may be ahead; seconds that a post waits for other writers.
AHEAD_S, WRITE_S = 60, 4.0
EARLIEST = pd.Timestamp("1678-01-01", tz="UTC")  # of 64-bit nanoseconds
#: Maximum number of characters of a field.
MAX_TEXT = 200
#: Id of a user, a listing, an event or a response. PostgreSQL stores no text with a zero character.
Id = Annotated[str, Field(min_length=1, max_length=MAX_TEXT, pattern=r"^[^\x00]*$")]
#: Duration of an event in seconds, 31 years at most: a far larger value is an error of the sender and overflows float32.
Duration = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class PostedEvent(BaseModel):
    """One event: what a user did on a listing."""

    model_config = ConfigDict(extra="forbid", strict=True, str_max_length=MAX_TEXT)

    listing_id: Id
    user_id: Id | None = Field(
        None, description="its id, never a hash; may be left out where request_id names the list"
    )
    timestamp: str | None = Field(
        None, description="a date and time, UTC where it names no zone; default: now"
    )
    action: str | None = None
    duration_s: Duration | None = None
    event_id: Id | None = Field(None, description="an event whose id is stored already is not stored again")
    request_id: Id | None = Field(None, description="of the response that showed the listing")

    def row(self, actions: Sequence[str], at: pd.Timestamp | None) -> dict[str, Any]:
        """Return the columns of the event; an event without a time has no time column.

        Args:
            actions: those of the market.
            at: the parsed `timestamp`; NaT: it is no moment.

        Raises:
            VibesError: the market has no such action, the time is invalid or in the future, or the event has no user.
        """
        row = self.model_dump(exclude_none=True)
        for name in (C.USER, C.LISTING):
            if name in row:
                row[name] = id_text(row[name])  # normalized as the readers of tables do
                if not row[name]:
                    raise RequestError("empty_id", name=name)
        if self.user_id is None and self.request_id is None:
            raise RequestError("no_user")
        if self.action is not None and self.action not in actions:
            choices = ", ".join(actions) or "none, so leave it out"
            raise RequestError("unknown_action", name="action", action=self.action[:100], choices=choices)
        if self.timestamp is not None:
            value = self.timestamp[:40]
            if at is None or at is pd.NaT or at < EARLIEST:
                expected = "a date from 1678 on, such as 2024-03-25T12:00, or now"
                raise RequestError("bad_value", name=C.TIMESTAMP, value=value, expected=expected)
            if at.value > time.time_ns() + AHEAD_S * 10**9:
                raise RequestError("future_event", value=value)
            row[C.TIMESTAMP] = at.isoformat()
        return row


def event_rows(events: Sequence[PostedEvent], market: Market) -> list[dict[str, Any]]:
    """Return the columns of the events of a post, see `PostedEvent.row`.

    Raises:
        VibesError: an event is invalid; the message has its number.
    """
    texts = pd.Series({n: event.timestamp for n, event in enumerate(events) if event.timestamp is not None})
    moments, actions, rows = dict(parse_moments(texts.astype("str")).items()), market.valid_actions, []
    for number, event in enumerate(events):
        try:
            rows.append(event.row(actions, moments.get(number)))
        except RequestError as error:
            if len(events) > 1:
                error.fields["within"] = f"Event {number + 1} of {len(events)}"
            raise
    return rows


def parse_moments(texts: pd.Series) -> pd.Series:
    """Return the UTC moments of texts, NaT for what is no moment: all at once, since a call of pandas takes milliseconds.

    Numbers of one length are read together, since all numbers of a column get one unit.
    """
    texts = texts.str.strip()
    texts = texts.mask(texts == "now", pd.Timestamp.now("UTC").isoformat())
    lengths = texts.str.len().where(pd.to_numeric(texts, errors="coerce").notna(), 0)
    parsed = [to_moments(part)[0] for _, part in texts.groupby(lengths)]
    return pd.concat(parsed) if parsed else pd.Series(dtype="datetime64[ns, UTC]")


class Accepted(BaseModel):
    """Result of posting events."""

    accepted: int
    repeated: list[str] = Field(description="ids of events that were stored before and are not stored again")
    unknown: list[str] = Field(
        description="listings that are not in the run; their events wait until a refresh adds them"
    )


class PostedEventLog:
    """Log of posted events in a database that several services may share; `run` returns the state in use."""

    def __init__(self, place: str | Path, run: Callable[[], Run]) -> None:
        self.database = Database(place, "--events", create=True, deadline_s=WRITE_S)
        self._run, self._last_time = run, 0
        self._ids: dict[str, str] = {}  # by the hashed name of a user
        self._last_id = 0

    def append(self, posts: Sequence[Sequence[Mapping[str, Any]]]) -> list[Accepted]:
        """Commit the events of several posts in one transaction.

        Raises:
            Busy: another process held the lock.
            VibesError: the disk is full, or the database cannot be written.
        """
        run = self._run()
        repeated = append_events(
            self.database, [[self._with_time(event) for event in post] for post in posts]
        )
        unknown = [
            [event[C.LISTING] for event in post if event[C.LISTING] not in run.listing_row] for post in posts
        ]
        return [
            Accepted(accepted=len(post) - len(again), repeated=again, unknown=list(dict.fromkeys(listings)))
            for post, again, listings in zip(posts, repeated, unknown, strict=True)
        ]

    def read_users(self, users: Sequence[str]) -> list[list[sql.Row[Any]]]:
        """Return the newest posted events of each user, given by id or hashed name."""
        columns = [events_table.c[name] for name in EVENT]
        values: dict[str, list[sql.Row[Any]]] = {}
        with self.database.read() as connection:
            ids = self._user_ids(connection, users)
            for user in {*ids}:
                newest = sql.select(*columns).where(events_table.c[C.USER] == user)
                newest = newest.order_by(events_table.c.id.desc()).limit(MAX_USER_EVENTS)
                values[user] = list(connection.execute(newest))[::-1]
        return [values[user] for user in ids]

    def _user_ids(self, connection: sql.Connection, users: Sequence[str]) -> list[str]:
        """Return the ids of users in the posted events; a hashed market gives users by their hash."""
        names = self._run().market.names
        if not names.hashed:
            return list(users)
        new = sql.select(sql.func.max(events_table.c.id), events_table.c[C.USER])
        new = new.where(events_table.c.id > self._last_id, events_table.c[C.USER].is_not(None))
        for last, user in connection.execute(new.group_by(events_table.c[C.USER])):
            self._ids[names.of(user)] = user
            self._last_id = max(self._last_id, last)
        return [self._ids.get(user, user) for user in users]

    def _with_time(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an event with a time; generated times are distinct."""
        if C.TIMESTAMP in event:
            return event
        self._last_time = max(time.time_ns() // 1000 * 1000, self._last_time + 1000)
        return {**event, C.TIMESTAMP: pd.Timestamp(self._last_time, tz="UTC").isoformat()}


def append_events(database: Database, posts: Sequence[Sequence[Mapping[str, Any]]]) -> list[list[str]]:
    """Append the events of several posts in one transaction, and return for each post the ids of events that were stored before,
    which are skipped.
    """
    ids = [event["event_id"] for post in posts for event in post if "event_id" in event]
    column, now, rows = events_table.c.event_id, time.time_ns() // 1000, list[dict[str, Any]]()
    repeated: list[list[str]] = [[] for _ in posts]
    with database.write() as connection:
        existing = {
            name
            for part in parts(ids)
            for name in connection.scalars(sql.select(column).where(column.in_(part)))
        }
        for post, again in zip(posts, repeated, strict=True):
            for event in post:
                if (name := event.get("event_id")) in existing:
                    again.append(str(name))
                    continue
                if name is not None:
                    existing.add(name)
                rows.append({**dict.fromkeys(EVENT), **event, "posted_at": now})
        if rows:
            connection.execute(events_table.insert(), rows)
    return repeated


def read_events(database: Database, after: int = 0) -> Sequence[sql.Row[Any]]:
    """Return the events that were appended after an id: rows with `id`, `posted_at` and the columns `EVENT`."""
    columns = [events_table.c[name] for name in ("id", "posted_at", *EVENT)]
    statement = sql.select(*columns).where(events_table.c.id > after).order_by(events_table.c.id)
    with database.read() as connection:
        return connection.execute(statement).all()


def join_history(run: Run, user: str, posted: Sequence[sql.Row[Any]], before: int | None) -> list[Event]:
    """Return all events of a user before a moment, oldest first; empty if the run has all of them already.

    Events on listings that are not in the run and duplicates (with the same time, listing and action) are left out.
    """
    if not posted:
        return []
    log, number = run.log, run.user_number.get(user)
    rows = np.arange(*((0, 0) if number is None else log.history_at(number, before)))
    stored = list(zip(log.time[rows].tolist(), events_at(run, rows), strict=True))
    available = {(at, event.listing, event.action) for at, event in stored}
    fresh = list[tuple[int, Event]]()
    for row in posted:
        try:
            at = int(pd.Timestamp(row.timestamp).as_unit("ns").value)
        except (ValueError, OverflowError, TypeError):  # an unvalidated row, which a refresh reports
            continue
        action = row.action if row.action in run.market.valid_actions else None
        key = at, row.listing_id, action
        is_early = before is None or at < before
        if is_early and row.listing_id in run.listing_row and key not in available:
            available.add(key)
            fresh.append((at, Event(row.listing_id, action, row.duration_s)))
    return [event for _, event in sorted([*stored, *fresh], key=lambda item: item[0])] if fresh else []
