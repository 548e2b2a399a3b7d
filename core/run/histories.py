"""Histories as people write them: a JSON or CSV file."""

import json
from pathlib import Path

import pandas as pd

from core.errors import VibesError
from core.market.columns import Columns as C
from core.market.io import read_table
from core.market.values import to_numbers


def read_history(path: Path) -> pd.DataFrame:
    """A history file: a JSON list of events (or `{"history": [...]}`), or a table; oldest first.

    Raises:
        VibesError: the file is missing, no history, or an event has no listing or an impossible duration.
    """
    if path.suffix == ".json":
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise VibesError(f"Cannot read the history {path}: {error.strerror}; check the path.") from error
        except ValueError as error:
            raise VibesError(f"{path} is no JSON ({error}); mend that place.") from error
        events = content.get("history") if isinstance(content, dict) else content
        if not isinstance(events, list) or not all(isinstance(event, dict | str) for event in events):
            raise VibesError(
                f'{path} holds no list of events; write [{{"listing_id": "..."}}, ...], oldest first.'
            )
        table = pd.DataFrame([{C.LISTING: event} if isinstance(event, str) else event for event in events])
    else:
        table = read_table(path)
    if len(table) and (C.LISTING not in table.columns or table[C.LISTING].isna().any()):
        raise VibesError(f"{path} has an event without 'listing_id'; give every event one.")
    if C.DURATION in table.columns:
        seconds, bad = to_numbers(table[C.DURATION])
        bad |= seconds < 0
        if bad.any():
            value = table[C.DURATION].iloc[int(bad.argmax())]
            raise VibesError(f"{path} has the {C.DURATION} '{value}'; give seconds, 0 or more.")
        table[C.DURATION] = seconds
    if not len(table):
        table = pd.DataFrame({C.LISTING: pd.Series(dtype="str")})
    return table
