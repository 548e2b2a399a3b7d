"""Whom lists are for: users of the market, or histories that somebody brings, as one log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.tables import as_ids
from listing_vibes.market.values import to_numbers
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.histories import oldest_first


class Event(NamedTuple):
    """An event of a history."""

    listing: str
    action: str | None = None
    duration_s: float | None = None


#: Events oldest first, or in the order of their `timestamp`: a table with `listing_id` and maybe that, `action` and `duration_s`, or
#: one of `Event`s.
History: TypeAlias = "pd.DataFrame | Sequence[Event]"


class Asked(NamedTuple):
    """B histories as rows of a log."""

    log: EventLog
    start: np.ndarray  # (B,) int64
    end: np.ndarray  # (B,) int64

    @property
    def empty(self) -> np.ndarray:
        """(B,) bool: which histories have no event."""
        return self.start == self.end


def of_users(run: RunFolder, users: Sequence[str], before: int | None) -> Asked:
    """The histories of users, of their events before a moment (None: of all of them); empty of one whom the market does not know."""
    log, known = run.log, run.user_number
    ends = [log.history_at(known[user], before) if user in known else (0, 0) for user in users]
    bounds = np.array(ends, np.int64).reshape(-1, 2)
    return Asked(log, bounds[:, 0], bounds[:, 1])


def user_number(run: RunFolder, user: str) -> int:
    """The number of a user in the run's log.

    Raises:
        NotThere: there is none of that id.
    """
    number = run.user_number.get(user)
    if number is None:
        raise NotThere(f"There is no user '{user}' in {run.path}; check the id.")
    return number


def of_histories(run: RunFolder, histories: Sequence[History]) -> Asked:
    """Histories that somebody brings; one may be empty.

    Raises:
        VibesError: an unknown listing or action.
    """
    events = [read_events(history) for history in histories]
    length = np.array([len(one) for one in events], np.int64)
    flat = [event for one in events for event in one]
    names = run.market.known_actions
    actions = {name: number for number, name in enumerate(names)}
    end = np.cumsum(length)
    start = end - length
    log = EventLog(
        user=np.repeat(np.arange(len(events), dtype=np.int32), length),
        listing=np.array([run.row(event.listing) for event in flat], np.int32),
        time=np.arange(len(flat)) - np.repeat(start, length),
        action=np.array([_action(actions, event.action) for event in flat], np.int16),
        duration=np.array([np.nan if e.duration_s is None else e.duration_s for e in flat], np.float32),
        start=np.append(0, end),
        users=[""] * len(events),
        actions=names,
        listings=len(run.market.listings),
        timed=False,
        unwanted=tuple(run.market.config.unwanted),
    )
    return Asked(log, start, end)


def check_events(run: RunFolder, events: Sequence[Event]) -> None:
    """Raises:
    VibesError: a listing or an action that the run does not know.
    """
    actions = {name: number for number, name in enumerate(run.market.known_actions)}
    for event in events:
        run.row(event.listing)
        _action(actions, event.action)


def read_events(history: History) -> Sequence[Event]:
    """The events of a history.

    Raises:
        VibesError: a table without `listing_id` or with an empty one, or a moment or a duration that is none.
    """
    if not isinstance(history, pd.DataFrame):
        return history
    if not len(history):
        return []
    if C.LISTING not in history.columns:
        raise VibesError("The history has no column 'listing_id'; give one row an event, oldest first.")
    listing, nothing = as_ids(history[C.LISTING]), [None] * len(history)
    if listing.isna().any():
        row = int(listing.isna().to_numpy().argmax()) + 1
        raise VibesError(f"The history has no '{C.LISTING}' in row {row}; give every event one.")
    history = oldest_first(history.assign(**{C.LISTING: listing}), "The history")
    actions = _cells(as_ids(history[C.ACTION])) if C.ACTION in history.columns else nothing
    seconds = nothing if C.DURATION not in history.columns else _cells(_seconds(history[C.DURATION]))
    return [Event(*cells) for cells in zip(history[C.LISTING].tolist(), actions, seconds, strict=True)]


def _seconds(column: pd.Series) -> pd.Series:
    values, bad = to_numbers(column)
    bad |= values < 0
    if bad.any():
        raise VibesError(
            f"The history has the {C.DURATION} '{column.iloc[int(bad.argmax())]}'; give seconds, 0 or more."
        )
    return pd.Series(values)


def _cells(column: pd.Series) -> list:
    return [None if missing else cell for cell, missing in zip(column.tolist(), column.isna(), strict=True)]


def _action(actions: Mapping[str, int], action: str | None) -> int:
    if action is None:
        return -1
    if action not in actions:
        known = ", ".join(actions) or "none"
        raise VibesError(f"The history has the action '{action}', which this market does not know ({known}).")
    return actions[action]
