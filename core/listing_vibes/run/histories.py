"""Histories to recommend for: those of the market's users, and those given as tables, events or files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import read_table
from listing_vibes.market.log import EventLog
from listing_vibes.market.moments import to_moments
from listing_vibes.market.tables import as_ids
from listing_vibes.market.values import to_numbers
from listing_vibes.run.folder import RunFolder


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
        return self.start == self.end


def of_users(run: RunFolder, users: Sequence[str], before: int | None) -> HistoryBatch:
    """Return the histories of users, with their events before a moment (None: all events); empty for an unknown user."""
    log, available = run.log, run.user_number
    ends = [log.history_at(available[user], before) if user in available else (0, 0) for user in users]
    bounds = np.array(ends, np.int64).reshape(-1, 2)
    return HistoryBatch(log, bounds[:, 0], bounds[:, 1])


def user_number(run: RunFolder, user: str) -> int:
    """Return the number of a user in the run's log.

    Raises:
        NotThere: there is no user with this id.
    """
    number = run.user_number.get(user)
    if number is None:
        raise NotThere(f"There is no user '{user}' in {run.path}; check the id.")
    return number


def of_histories(run: RunFolder, histories: Sequence[History]) -> HistoryBatch:
    """Return histories of given events, some of which may be empty.

    Raises:
        VibesError: a listing or an action is unknown.
    """
    events = [read_events(history) for history in histories]
    length = np.array([len(event) for event in events], np.int64)
    flat = [event for item in events for event in item]
    names = run.market.valid_actions
    actions = {name: number for number, name in enumerate(names)}
    end = np.cumsum(length)
    start = end - length
    log = EventLog(
        user=np.repeat(np.arange(len(events), dtype=np.int32), length),
        listing=np.array([run.row(event.listing) for event in flat], np.int32),
        time=np.arange(len(flat)) - np.repeat(start, length),
        action=np.array([_action_number(actions, event.action) for event in flat], np.int16),
        duration=np.array([np.nan if e.duration_s is None else e.duration_s for e in flat], np.float32),
        start=np.append(0, end),
        users=[""] * len(events),
        actions=names,
        listings=len(run.market.listings),
        timed=False,
        unwanted=tuple(run.market.config.unwanted),
    )
    return HistoryBatch(log, start, end)


def check_events(run: RunFolder, events: Sequence[Event]) -> None:
    """Check that the run knows the listings and actions of events.

    Raises:
        VibesError: a listing or an action is unknown.
    """
    of_histories(run, [events])


def _action_number(actions: Mapping[str, int], action: str | None) -> int:
    if action is None:
        return -1
    if action not in actions:
        names = ", ".join(actions) or "none"
        raise VibesError(
            f"The history has the action '{action}', which is unknown in this market; use one of: {names}."
        )
    return actions[action]


def read_events(history: History) -> Sequence[Event]:
    """Return the events of a history.

    Raises:
        VibesError: see `clean_history`.
    """
    if not isinstance(history, pd.DataFrame):
        return history
    table = clean_history(history, "The history")
    columns = [
        table[name].astype(object).where(table[name].notna(), None).tolist()
        if name in table.columns
        else [None] * len(table)
        for name in (C.LISTING, C.ACTION, C.DURATION)
    ]
    return [Event(*cells) for cells in zip(*columns, strict=True)]


def read_history(path: Path) -> pd.DataFrame:
    """Read a history file: a JSON list of events or of ids (or `{"history": [...]}`), or a table, see `clean_history`.

    Raises:
        VibesError: the file is missing or is not a history.
    """
    if path.suffix != ".json":
        return clean_history(read_table(path), str(path))
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise VibesError(f"Cannot read the history {path}: {error.strerror}; check the path.") from error
    except (ValueError, RecursionError) as error:
        raise VibesError(f"{path} is not valid JSON ({error}); correct it.") from error
    events = content.get("history") if isinstance(content, dict) else content
    if not isinstance(events, list) or not all(isinstance(event, dict | str) for event in events):
        raise VibesError(
            f'{path} does not contain a list of events; write [{{"listing_id": "..."}}, ...], oldest first.'
        )
    rows = [{C.LISTING: event} if isinstance(event, str) else event for event in events]
    return clean_history(pd.DataFrame([_parse_cells(path, row) for row in rows], dtype=object), str(path))


def _parse_cells(path: Path, event: dict[str, Any]) -> dict[str, str | float | None]:
    """Return the cells of an event in the known columns, as text and numbers."""
    cells = {name: event[name] for name in (C.LISTING, C.ACTION, C.DURATION, C.TIMESTAMP) if name in event}
    for name, cell in cells.items():
        try:
            if isinstance(cell, str):
                cell.encode()  # Raises an error for a lone surrogate.
            elif isinstance(cell, int | float) and not isinstance(cell, bool):
                float(cell)
            elif cell is not None:
                raise ValueError
        except (ValueError, OverflowError):
            raise VibesError(
                f"{path} has the {name} {ascii(cell)[:40]}; give {'seconds' if name == C.DURATION else 'a text'}."
            ) from None
    return cells


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
        raise VibesError(f"{name} has no column '{C.LISTING}'; give one row per event, oldest first.")
    changed = {column: as_ids(table[column]) for column in (C.LISTING, C.ACTION) if column in table.columns}
    missing = changed[C.LISTING].isna()
    if missing.any():
        row = int(missing.to_numpy().argmax()) + 1
        raise VibesError(f"{name} has no '{C.LISTING}' in row {row}; give every event one.")
    if C.DURATION in table.columns:
        seconds, bad = to_numbers(table[C.DURATION])
        bad |= seconds < 0
        if bad.any():
            value = str(table[C.DURATION].iloc[int(bad.argmax())])[:40]
            raise VibesError(f"{name} has the {C.DURATION} '{value}'; give seconds, 0 or more.")
        changed[C.DURATION] = pd.Series(seconds, table.index)
    table = table.assign(**changed)
    if C.TIMESTAMP not in table.columns:
        return table.reset_index(drop=True)
    moments, bad = to_moments(table[C.TIMESTAMP])
    bad = bad | table[C.TIMESTAMP].isna()
    if bad.any():
        shown = ascii(table[C.TIMESTAMP].iloc[int(bad.argmax())])[:40]
        raise VibesError(
            f"{name} has the {C.TIMESTAMP} {shown}, which is no date or time; give every event one, or leave the column out and "
            "give the events oldest first."
        )
    order = moments.astype("int64").argsort(kind="stable")
    return table.iloc[order].drop(columns=C.TIMESTAMP).reset_index(drop=True)
