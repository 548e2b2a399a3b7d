"""What each event of a history adds to the scores of listings, from the histories without it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from listing_vibes import Run
from listing_vibes.insight.occlusion import NEWEST, occlude_history
from listing_vibes.run.histories import of_histories


def carried(run: Run, history: pd.DataFrame, listings: Sequence[str], newest: int = NEWEST) -> np.ndarray:
    """(E, K) by event and listing; rows of events that were not tried are 0."""
    log = of_histories(run, [history]).log
    scores, tried, *_ = occlude_history(run, log, 0, len(log), newest)
    rows = [run.row(listing) for listing in listings]
    found = np.zeros((len(log), len(listings)), np.float32)
    found[tried] = scores[0, rows] - scores[1:][:, rows]
    return found
