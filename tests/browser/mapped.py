"""A map without the wait for one: two groups of listings at known places."""

from pathlib import Path

import numpy as np
import pandas as pd

from core import Run
from core.insight.map.vibe_map import COLUMNS, DRAWN_OF, embeddings_of


def write_map(run: Path, *, lonely: int = 1) -> pd.DataFrame:
    """`map.parquet`: even rows stand in the left half in group 0, odd ones in the right in 1, the last ones in none."""
    opened = Run.open(run)
    parts = []
    for space in opened.spaces:
        rows = np.flatnonzero(opened.index(space).known)
        number = np.arange(len(rows))
        parts.append(
            pd.DataFrame(
                {
                    "space": space,
                    "listing_id": np.asarray(opened.listing_ids)[rows],
                    "x": np.where(number % 2, 8.0, 0.0) + number % 3,
                    "y": number / 2.0,
                    "cluster": np.where(number >= len(rows) - lonely, -1, number % 2).astype(np.int32),
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)[list(COLUMNS)]
    frame.attrs[DRAWN_OF] = embeddings_of(opened)
    frame.to_parquet(run / "map.parquet", index=False)
    return frame
