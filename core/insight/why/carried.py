"""Which events of a history carried a recommendation: how its score falls when one event is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.market.log import EventLog
from core.run.asking import Asked
from core.run.run import Run

NEWEST = 30  # events that are left out one by one; older ones carry little


class Without(NamedTuple):
    """The model's scores of all listings for a history, whole and without each of T events."""

    scores: np.ndarray  # (1 + T, L) float32, the whole history first
    tried: np.ndarray  # (T,) rows of the log, the events that were left out
    vector: np.ndarray  # (1, d) of the whole history
    whole: Asked  # the history
    shorter: Asked | None  # the T histories that remain; None where nothing does


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
    rows = [run.row(listing) for listing in listings]
    scores, tried, *_ = without_each(run, log, 0, len(log), newest)
    found = np.zeros((len(log), len(listings)), np.float32)
    found[tried] = scores[0, rows] - scores[1:][:, rows]
    return found


def without_each(run: Run, log: EventLog, start: int, end: int, newest: int = NEWEST) -> Without:
    """The model's scores of all listings for the history `start : end` of `log`, whole and without each of its newest events.

    A history is encoded with the run's own vectors of its listings, as lists are. Without its only event nothing is known,
    and all scores are 0.
    """
    vectors, late = run.vectors("model"), run.late_interaction
    # One more than the model reads, so that an older event moves up as it would.
    kept = min(end - start, run.manifest.settings.training.max_listings + 1)
    first = end - kept
    tried = np.arange(end - min(newest, kept), end)
    engine = run.engine.in_float32()  # an event adds little: bfloat16 would blur it
    begin, until = np.array([first]), np.array([end])
    user = engine.encode_histories(log, begin, until, listings=vectors)  # (1, d)
    whole = late.scores(user, vectors, vectors, log, begin, until)  # (1, L)
    asked = Asked(log, begin, until)
    if end - start == 1:
        return Without(np.concatenate([whole, np.zeros_like(whole)]), tried, user, asked, None)
    rows = np.concatenate([np.delete(np.arange(first, end), event - first) for event in tried])
    part = log.histories(rows, np.full(len(tried), kept - 1))
    starts, ends = part.start[:-1], part.start[1:]
    without = engine.encode_histories(part, starts, ends, listings=vectors)  # (T, d)
    scores = late.scores(without, vectors, vectors, part, starts, ends)
    return Without(np.concatenate([whole, scores]), tried, user, asked, Asked(part, starts, ends))
