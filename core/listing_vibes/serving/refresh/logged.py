"""Posted events as rows of a table: of the store of a service, and of files of JSON lines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic_core import from_json

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.values import id_text

#: Of files of JSON lines.
SUFFIX = ".jsonl"
_ALWAYS, _MAYBE = [C.USER, C.LISTING], [C.TIMESTAMP, C.POSITION, C.ACTION, C.DURATION]


def whole_lines(path: Path, start: int = 0) -> bytes:
    """The lines of a file from a byte on that end with a newline; what a writer has not finished is left."""
    with path.open("rb") as stream:
        stream.seek(start)
        content = stream.read()
    return content[: content.rfind(b"\n") + 1]


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


def rows_of_store(place: Path | str, known: Sequence[Any]) -> tuple[pd.DataFrame, list[Any], float]:
    """Read the events that were posted since the last look, as a table of events has them.

    Args:
        place: see `listing_vibes.serving.store.Store`.
        known: the mark of the last look; empty: none.

    Returns:
        The rows without those of nobody, the mark of this look, and when the first of them was posted, seconds since 1970.
    """
    from listing_vibes.serving.store import Store

    store = Store(place, "--events")
    try:
        identity = store.identity()
        after = known[0] if len(known) == 2 and known[1] == identity else 0
        _, events = store.read_events(after)
    finally:
        store.close()
    if not events:
        return pd.DataFrame(), [after, identity], time.time()
    columns = [*_ALWAYS, *_MAYBE]
    rows = pd.DataFrame(
        [[getattr(one, name) for name in columns] for one in events if one.user_id is not None],
        columns=columns,
        dtype=object,
    )
    rows = rows.drop(columns=[name for name in _MAYBE if rows[name].isna().all()])
    return rows, [events[-1].id, identity], events[0].posted_at / 1e6
