"""Queries to a run: users and listings by id, and histories given as ids, events, tables or files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import read_given_json
from listing_vibes.market.io import read_table
from listing_vibes.market.log import EventLog
from listing_vibes.market.moments import to_moments
from listing_vibes.market.values import as_ids, id_text, to_numbers
from listing_vibes.request_errors import RequestError, UnknownId
from listing_vibes.run.conditions import SIGN

if TYPE_CHECKING:
    from listing_vibes.run.run import Run


class Event(NamedTuple):
    """An event of a history."""

    listing: str
    action: str | None = None
    duration_s: float | None = None


#: Events, oldest first or sorted by their `timestamp`: a table with `listing_id` and optionally `timestamp`, `action` and `duration_s`,
#: or a sequence of `Event`s.
History: TypeAlias = "pd.DataFrame | Sequence[Event]"


class HistoryBatch(NamedTuple):
    """B histories as rows of a log."""

    log: EventLog
    start: np.ndarray  # (B,) int64
    end: np.ndarray  # (B,) int64

    @property
    def empty(self) -> np.ndarray:
        """Return (B,) bool: which histories have no event."""
        return np.asarray(self.start == self.end)


def of_users(run: Run, users: Sequence[str], before: int | None) -> HistoryBatch:
    """Return the histories of users, with their events before a moment (None: all events); empty for an unknown user."""
    log, numbers = run.log, run.user_number
    ends = [log.history_at(numbers[user], before) if user in numbers else (0, 0) for user in users]
    bounds = np.array(ends, np.int64).reshape(-1, 2)
    return HistoryBatch(log, bounds[:, 0], bounds[:, 1])


def history_ends(run: Run, at: int) -> np.ndarray:
    """Return (U,) where the history of each user of a run ends at a moment."""
    log = run.log
    return np.asarray(log.start[:-1] + np.bincount(log.user[log.time < at], minlength=len(log.users)))


def last_active(run: Run, at: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the users with an event before a moment, most recently active first, and the rows of their histories, each (U,)."""
    log, start, end = run.log, run.log.start[:-1], history_ends(run, at)
    users = np.flatnonzero(end > start)
    users = users[np.lexsort((users, -log.time[end[users] - 1]))]
    return users, start[users], end[users]


def user_number(run: Run, user: str) -> int:
    """Return the number of a user in the run's log.

    Raises:
        NotThere: there is no user with this id.
    """
    number = run.user_number.get(user)
    if number is None:
        raise UnknownId("unknown_user", user=user, run=run.label)
    return number


def of_histories(run: Run, histories: Sequence[History]) -> HistoryBatch:
    """Return histories of given events, some of which may be empty.

    Raises:
        VibesError: a listing or an action is unknown.
    """
    events = [to_events(history) for history in histories]
    length = np.array([len(event) for event in events], np.int64)
    flat = [event for item in events for event in item]
    names = run.market.valid_actions
    actions: dict[str | None, int] = {None: -1} | {name: number for number, name in enumerate(names)}
    if unknown := [event.action for event in flat if event.action not in actions]:
        choices = ", ".join(names) or "none"
        raise RequestError(
            "unknown_action", name="An action of the history", action=unknown[0], choices=choices
        )
    end = np.cumsum(length)
    start = end - length
    log = EventLog(
        user=np.repeat(np.arange(len(events), dtype=np.int32), length),
        listing=np.array([run.row(event.listing) for event in flat], np.int32),
        time=np.arange(len(flat)) - np.repeat(start, length),
        action=np.array([actions[event.action] for event in flat], np.int16),
        duration=np.array([np.nan if e.duration_s is None else e.duration_s for e in flat], np.float32),
        start=np.append(0, end),
        users=[""] * len(events),
        actions=names,
        listings=len(run.market.listings),
        timed=False,
        unwanted=tuple(run.market.config.unwanted),
    )
    return HistoryBatch(log, start, end)


def events_at(run: Run, rows: np.ndarray) -> list[Event]:
    """Return the events at rows (n,) of the run's log."""
    log, actions = run.log, [*run.log.actions, None]  # The code -1 is an unknown action.
    cells = zip(log.listing[rows], log.action[rows], log.duration[rows].tolist(), strict=True)
    return [
        Event(run.listing_ids[listing], actions[action], None if math.isnan(seconds) else seconds)
        for listing, action, seconds in cells
    ]


def to_events(history: History) -> Sequence[Event]:
    """Return the events of a history, oldest first.

    Raises:
        VibesError: see `clean_history`.
    """
    if not isinstance(history, pd.DataFrame):
        return history
    table = clean_history(history, "The history").reindex(columns=[C.LISTING, C.ACTION, C.DURATION])
    return [
        Event(*cells) for cells in table.astype(object).where(table.notna(), None).itertuples(index=False)
    ]


def read_history(path: Path) -> pd.DataFrame:
    """Read a history file: a JSON list of events or of ids (or `{"history": [...]}`), or a table, see `clean_history`.

    Raises:
        VibesError: the file is missing or is not a history.
    """
    if path.suffix != ".json":
        return clean_history(read_table(path), str(path))
    content = read_given_json(path, "history")
    events = content.get("history") if isinstance(content, dict) else content
    if not isinstance(events, list):
        raise VibesError(f'{path} is no list of events; write [{{"listing_id": "..."}}, ...], oldest first.')
    return clean_history(_to_history(events), str(path))


def clean_history(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a history with ids as text and durations as numbers, oldest first: sorted by `timestamp`, if it has this column.

    Args:
        name: the history's name in error messages.

    Raises:
        VibesError: the column `listing_id` is missing, or an event has no listing, no time or an invalid duration.
    """
    if not len(table):
        return pd.DataFrame({C.LISTING: pd.Series(dtype="str")})
    if C.LISTING not in table.columns:
        raise RequestError("no_listing_column", name=name)
    changed = {column: as_ids(table[column]) for column in (C.LISTING, C.ACTION) if column in table.columns}
    invalid = {C.LISTING: changed[C.LISTING].isna().to_numpy(bool)}
    if C.DURATION in table.columns:
        seconds, bad = to_numbers(table[C.DURATION])
        invalid[C.DURATION] = bad | (seconds < 0)
        changed[C.DURATION] = pd.Series(seconds, table.index)
    if C.TIMESTAMP in table.columns:
        moments, bad = to_moments(table[C.TIMESTAMP])
        invalid[C.TIMESTAMP] = bad | moments.isna().to_numpy(bool)
        changed[C.TIMESTAMP] = moments
    for column, rows in invalid.items():
        if rows.any():
            row = int(rows.argmax())
            value = ascii(table[column].iloc[row])[:40]
            raise RequestError("bad_event", name=name, column=column, value=value, row=row + 1)
    table = table.assign(**changed)
    if C.TIMESTAMP in table.columns:
        order = table[C.TIMESTAMP].astype("int64").argsort(kind="stable")
        table = table.iloc[order].drop(columns=C.TIMESTAMP)
    return table.reset_index(drop=True)


def parse_listings(listings: Any) -> tuple[list[str], bool]:
    """Return the ids of the listings that `Run.similar` is called with, and whether it is a single id rather than a list.

    Raises:
        VibesError: a member is not an id.
    """
    members = _members(listings)
    return [_parse_id(item) for item in ([listings] if members is None else members)], members is None


def named_rows(run: Run, ids: Sequence[str], rule: str) -> np.ndarray:
    """Return (n,) int64 rows of the listings that a rule names, each once.

    Raises:
        VibesError: an id is not a listing of the run.
    """
    ids = [id_text(item) or "" for item in ids]
    for item in ids:
        if item not in run.listing_row:
            raise RequestError("rule_listing", rule=f"Rule {rule}", listing=item, run=run.label)
    return np.array([run.listing_row[item] for item in dict.fromkeys(ids)], np.int64)


def split_pins(run: Run, pins: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the ids among the values of the rule `pin`, and the conditions: texts with a sign such as = that are no id."""
    conditions = [
        text for text in pins if SIGN.search(text, 1) and (id_text(text) or "") not in run.listing_row
    ]
    return [text for text in pins if text not in conditions], conditions


def parse_queries(run: Run, queries: Any) -> tuple[list[str] | list[History], bool]:
    """Return the users (as ids) and histories that `Run.recommend` is called with, and whether the query is a single one.

    A list of ids is read as several users if all are users, and as one history if all are listings. In a list of lists or frames
    each member is a history.

    Raises:
        VibesError: an id is neither a user nor a listing or, in a list, is both; or a member is not a query, or of another kind.
    """
    if isinstance(queries, pd.DataFrame):
        table = queries.reset_index() if {C.LISTING, C.USER} & set(queries.index.names) else queries
        if C.USER in table and C.LISTING not in table:
            return as_ids(table[C.USER]).tolist(), False
        if C.USER in table and table[C.USER].nunique() > 1:
            raise RequestError("several_users", users=table[C.USER].nunique())
        return [table], True
    if isinstance(queries, Event | Mapping):
        return [_to_history([queries])], True
    members = _members(queries)
    if members is None:
        user = _parse_id(queries)
        if user not in run.user_number and user in run.listing_row:
            raise UnknownId("listing_not_user", user=user, run=run.label)
        return [user], True
    if all(isinstance(member, Event | Mapping) for member in members):  # An empty list is an empty history.
        return [_to_history(members)], True
    if not any(isinstance(member, str | Real) for member in members):
        return [_to_history(member) for member in members], False
    ids = [_parse_id(member) for member in members]
    are_users, are_listings = (
        [item in available for item in ids] for available in (run.user_number, run.listing_row)
    )
    if all(are_listings) and not all(are_users):
        history: History = [Event(item) for item in ids]
        return [history], True
    if all(are_users) != all(are_listings) or (any(are_users) and not any(are_listings)):
        return list(ids), False
    raise UnknownId("mixed_ids", ids=f"{str(ids[:3])[:-1]}, ...]", run=run.label)


def _parse_id(value: Any) -> str:
    """Return an id as text, as tables have it: 12, 12.0 and "12" are the same.

    Raises:
        VibesError: the value is neither text nor a whole number.
    """
    is_whole = isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    if isinstance(value, str) or (is_whole and not isinstance(value, bool)):
        return id_text(value) or ""
    raise RequestError("not_an_id", value=repr(value)[:40])


def _to_history(value: Any) -> History:
    """Return one history: a table, an event, or a list of events, mappings and listing ids."""
    if isinstance(value, pd.DataFrame):
        return value
    members, rows = _members(value), []
    for member in [value] if members is None else members:
        if isinstance(member, Event):
            rows.append({C.LISTING: member.listing, C.ACTION: member.action, C.DURATION: member.duration_s})
        else:
            row = dict(member) if isinstance(member, Mapping) else {C.LISTING: member}
            if not isinstance(member, Mapping) or isinstance(row.get(C.LISTING), list | tuple | Mapping):
                row[C.LISTING] = _parse_id(row[C.LISTING])
            rows.append(row)
    return pd.DataFrame(rows, dtype=object)


def _members(value: Any) -> list[Any] | None:
    """Return the members of a list, tuple, array, series or index; None for a single value."""
    is_single = isinstance(value, str | bytes | Mapping | pd.DataFrame | Event) or not isinstance(
        value, Iterable
    )
    return None if is_single or (isinstance(value, np.ndarray) and value.ndim == 0) else list(value)
