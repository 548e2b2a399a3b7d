"""Rows of a log of live events."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pydantic_core import from_json

from core.market.columns import Columns as C

_ALWAYS, _MAYBE = [C.USER, C.LISTING], [C.TIMESTAMP, C.POSITION, C.ACTION, C.DURATION]


def rows_of_log(path: Path, lines: bytes) -> tuple[pd.DataFrame, list[str]]:
    """The events of whole lines of JSON, as a table of events has them, and a sentence where some are none.

    Events of nobody, which only tell what became of an answer, are left out.
    """
    found, broken = [], 0
    for line in lines.splitlines():
        try:
            event = from_json(line)
            if event.get(C.USER) is not None:
                found.append(event)
        except (ValueError, AttributeError):
            broken += 1
    rows = pd.DataFrame.from_records(found, columns=[*_ALWAYS, *_MAYBE]) if found else pd.DataFrame()
    rows = rows.drop(columns=[name for name in rows if name in _MAYBE and rows[name].isna().all()])
    problem = (
        f"{path} has {broken:,} lines that are no JSON objects; they are skipped. Mend the file, or leave it."
    )
    return rows, [problem] if broken else []
