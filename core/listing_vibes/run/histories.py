"""Histories as people write them: a JSON or CSV file."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import read_table
from listing_vibes.market.moments import to_moments
from listing_vibes.market.values import to_numbers


def read_history(path: Path) -> pd.DataFrame:
    """A history file: a JSON list of events (or `{"history": [...]}`), or a table; oldest first, or in the order of its
    `timestamp` where it has that.

    Raises:
        VibesError: the file is missing, no history, or an event has no listing, no moment or an impossible duration.
    """
    if path.suffix == ".json":
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise VibesError(f"Cannot read the history {path}: {error.strerror}; check the path.") from error
        except (ValueError, RecursionError) as error:
            raise VibesError(f"{path} is no JSON ({error}); mend that place.") from error
        events = content.get("history") if isinstance(content, dict) else content
        if not isinstance(events, list) or not all(isinstance(event, dict | str) for event in events):
            raise VibesError(
                f'{path} holds no list of events; write [{{"listing_id": "..."}}, ...], oldest first.'
            )
        rows = [{C.LISTING: event} if isinstance(event, str) else event for event in events]
        table = pd.DataFrame([_plain(path, row) for row in rows], dtype=object)
    else:
        table = read_table(path)
    if len(table) and (C.LISTING not in table.columns or table[C.LISTING].isna().any()):
        raise VibesError(f"{path} has an event without 'listing_id'; give every event one.")
    if C.DURATION in table.columns:
        seconds, bad = to_numbers(table[C.DURATION])
        bad |= seconds < 0
        if bad.any():
            value = str(table[C.DURATION].iloc[int(bad.argmax())])
            raise VibesError(f"{path} has the {C.DURATION} '{value[:40]}'; give seconds, 0 or more.")
        table[C.DURATION] = seconds
    table = oldest_first(table, str(path))
    if not len(table):
        table = pd.DataFrame({C.LISTING: pd.Series(dtype="str")})
    return table


def oldest_first(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The events of a history in the order of their `timestamp`, without it; as they stand where they have none.

    Raises:
        VibesError: an event of the history, called `name`, has no moment there.
    """
    if C.TIMESTAMP not in table.columns:
        return table
    moments, bad = to_moments(table[C.TIMESTAMP])
    if table[C.TIMESTAMP].isna().any():
        raise VibesError(
            f"{name} has an event without '{C.TIMESTAMP}'; give every event one, or leave the column out and give the events "
            "oldest first."
        )
    if bad.any():
        shown = ascii(table[C.TIMESTAMP].iloc[int(bad.argmax())])[:40]
        raise VibesError(
            f"{name} has the {C.TIMESTAMP} {shown}, which is no date or time; mend it, or leave the column out and give the "
            "events oldest first."
        )
    order = moments.astype("int64").argsort(kind="stable")
    return table.iloc[order].drop(columns=C.TIMESTAMP).reset_index(drop=True)


def _plain(path: Path, event: dict[str, Any]) -> dict[str, str | float | None]:
    """The known cells of an event as text and numbers; others are left out.

    Raises:
        VibesError: a cell is neither.
    """
    found: dict[str, str | float | None] = {}
    for name in (C.LISTING, C.ACTION, C.DURATION, C.TIMESTAMP):
        cell = event.get(name)
        try:
            if cell is None or isinstance(cell, str):
                found[name] = cell if cell is None else cell.encode().decode()  # a lone surrogate is no text
            elif isinstance(cell, int | float) and not isinstance(cell, bool):
                found[name] = float(cell) if name == C.DURATION else str(cell)
            else:
                raise ValueError
        except (ValueError, OverflowError):
            wanted = "seconds" if name == C.DURATION else "a text"
            shown = f"{ascii(cell)[:40]}"
            raise VibesError(f"{path} has the {name} {shown}; give {wanted}.") from None
    return {name: cell for name, cell in found.items() if name in event}
