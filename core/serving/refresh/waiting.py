"""What could not be taken in yet: kept with a generation, tried again, and given up where it becomes too much."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

#: By what waits: events for their listing or their time, photos for a file that can be read. The file that has them.
FILES = {"events": "waiting.parquet", "photos": "waiting-photos.parquet"}
#: Of each, the newest of which are kept.
MOST_WAITING = 100_000

Waiting = dict[str, pd.DataFrame]


def nothing_waits() -> Waiting:
    """Empty tables."""
    return {name: pd.DataFrame() for name in FILES}


def load_waiting(folder: Path) -> Waiting:
    """What waited when the state in `folder` was published."""
    files = {name: folder / file for name, file in FILES.items()}
    return nothing_waits() | {name: pd.read_parquet(file) for name, file in files.items() if file.is_file()}


def save_waiting(folder: Path, waiting: Waiting) -> None:
    """Write the tables that have rows."""
    for name, rows in waiting.items():
        if len(rows):
            rows.to_parquet(folder / FILES[name], index=False)


def newest(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """As many of `rows`, the newest last, as may wait; and how many are given up for it."""
    kept = rows.tail(MOST_WAITING).reset_index(drop=True)
    return kept, len(rows) - len(kept)
