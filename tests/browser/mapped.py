"""A map without the wait for one: two groups of listings at known places."""

from pathlib import Path

import numpy as np
import pandas as pd

from browser.painted import embed_run, paint_market, train_run
from listing_vibes import Run
from listing_vibes.insight.demand import candidate_regions
from listing_vibes.insight.map.vibe_map import COLUMNS, DRAWN_OF, embeddings_of


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


def short_run(folder: Path) -> Path:
    """A run of ninety homes with a map; those of one look, a branch of the tree over the space photos, went on 6 March 2024,
    before the last events."""
    market = paint_market(folder / "market", listings=90, photos=1, users=40, events=9)
    seen = Run.open(embed_run(market, folder / "seen"))
    known = np.flatnonzero(seen.index("photos").known)
    looks = candidate_regions(seen.vectors("photos")[known])
    listings = pd.read_parquet(market / "listings.parquet")
    gone = np.isin(np.arange(len(listings)), known[max(looks, key=len)])
    listings["expires_at"] = pd.Series(pd.Timestamp("2024-03-06", tz="UTC"), listings.index).where(gone)
    listings.to_parquet(market / "listings.parquet", index=False)
    run = train_run(market, folder / "run")
    write_map(run)
    return run
