"""Rows of a log of live events."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pydantic_core import from_json

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.values import id_text

_ALWAYS, _MAYBE = [C.USER, C.LISTING], [C.TIMESTAMP, C.POSITION, C.ACTION, C.DURATION]


def rows_of_log(path: Path, lines: bytes) -> tuple[pd.DataFrame, list[str]]:
    """The events of whole lines of JSON, as a table of events has them, and a sentence where some are none.

    Events of nobody, which only tell what became of an answer, are left out.
    """
    found, broken = [], 0
    for line in lines.splitlines():
        try:
            event = from_json(line, allow_inf_nan=False)
            cells = {name: event.get(name) for name in (*_ALWAYS, *_MAYBE)}
        except (ValueError, AttributeError):
            broken += 1
            continue
        if any(isinstance(cell, list | dict) for cell in cells.values()):
            broken += 1
        elif cells[C.USER] is not None:
            # Each by itself: a column of numbers may be floats, which round ids of 17 digits.
            found.append(cells | {name: id_text(cells[name]) for name in _ALWAYS})
    rows = pd.DataFrame.from_records(found, columns=[*_ALWAYS, *_MAYBE]) if found else pd.DataFrame()
    rows = rows.drop(columns=[name for name in rows if name in _MAYBE and rows[name].isna().all()])
    problem = f"{path} has {broken:,} lines that are no events; they are skipped. Mend the file, or leave it."
    return rows, [problem] if broken else []
