"""What could not be taken in yet: kept with a generation, tried again, and given up where it becomes too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.market.documents import read_json, write_json
from listing_vibes.run.contents import WAITING
from listing_vibes.run.generations import Stamp

#: By what waits: events for their listing or their time, photos for a file that can be read. The file that has them.
FILES = dict(zip(("events", "photos"), WAITING, strict=True))
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


#: What waits of photos where nothing was published since: in the run folder, of the state that is named in it.
PENDING = "waiting-photos.json"


def save_pending(run: Path, of: Stamp, source: dict[str, Any], photos: pd.DataFrame) -> None:
    """Keep what a look found that published nothing: how far the `source` of photos was read, and which of them wait."""
    rows = photos.astype(object).where(photos.notna(), None).to_dict("list")
    write_json(run / PENDING, {"of": [of.base, of.number], "source": source, "rows": rows})


def load_pending(run: Path, of: Stamp) -> tuple[dict[str, Any], pd.DataFrame] | None:
    """What `save_pending` kept of the state `of`; None where that was published later.

    Raises:
        VibesError: the file is damaged.
    """

    def parse(told: dict[str, Any]) -> tuple[dict[str, Any], pd.DataFrame] | None:
        rows = pd.DataFrame(told["rows"])
        texts = {name: "str" for name in rows if not pd.api.types.is_float_dtype(rows[name])}
        return (dict(told["source"]), rows.astype(texts)) if told["of"] == [of.base, of.number] else None

    return read_json(run / PENDING, "remove it, and refresh again", parse)
