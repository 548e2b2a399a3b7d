"""Which events of a history carried a recommendation: how its score falls when one event is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from core.market.log import EventLog, ranges
from core.run.run import Run

NEWEST = 30  # events that are left out one by one; older ones carry little


def carried(run: Run, history: pd.DataFrame, listings: Sequence[str], newest: int = NEWEST) -> np.ndarray:
    """(E, K): what each of E events adds to the score of each of K listings; rows of events not tried are 0.

    The history without the event is encoded anew. What the only event of a history adds is the whole score.

    Args:
        history: as `Run.recommend` takes it, oldest first.
        listings: ids of recommended listings.
        newest: how many events are tried, from the newest on.

    Raises:
        VibesError: no model, or an unknown listing or action.
    """
    log = run.history_log(history)
    count = len(log)
    vectors, late = run.vectors("model"), run.late_interaction
    targets = vectors[[run.row(listing) for listing in listings]]  # (K, d)
    # One more than the model reads, so that an older event moves up as it would.
    kept = min(count, run.manifest.settings.training.max_listings + 1)
    tried = np.arange(count - min(newest, kept), count)
    engine = run.engine.exact()  # an event adds little: bfloat16 would blur it
    start, end = np.array([count - kept]), np.array([count])
    user = engine.encode_histories(log, start, end)  # (1, d)
    whole = late.scores(user, targets, vectors, log.listing, start, end)[0]  # (K,)
    found = np.zeros((count, len(listings)), np.float32)
    if count == 1:
        found[0] = whole
        return found
    rows = np.concatenate(
        [np.delete(np.arange(count - kept, count), event - (count - kept)) for event in tried]
    )
    ends = (kept - 1) * np.arange(1, len(tried) + 1)
    picked, starts = _picked(log, rows, kept - 1), ends - (kept - 1)
    without = engine.encode_histories(picked, starts, ends)  # (T, d)
    found[tried] = whole - late.scores(without, targets, vectors, picked.listing, starts, ends)
    return found


def _picked(log: EventLog, rows: np.ndarray, each: int) -> EventLog:
    """The events `rows` as histories of `each` events."""
    users = len(rows) // each
    return replace(
        log,
        user=np.repeat(np.arange(users, dtype=np.int32), each),
        listing=log.listing[rows],
        time=ranges(np.zeros(users, np.int64), np.full(users, each)),
        action=log.action[rows],
        duration=log.duration[rows],
        start=each * np.arange(users + 1, dtype=np.int64),
        users=[str(number) for number in range(users)],
    )
