"""Which events of a history carried a recommendation: how its score falls when one event is left out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.run.histories import HistoryBatch
from listing_vibes.run.run import Run

NEWEST = 30  # events that are left out one by one; older ones carry little


class Without(NamedTuple):
    """The model's scores of all listings for a history, whole and without each of T events."""

    scores: np.ndarray  # (1 + T, L) float32, the whole history first
    tried: np.ndarray  # (T,) rows of the log, the events that were left out
    vector: np.ndarray  # (1, d) of the whole history
    whole: HistoryBatch  # the history
    shorter: HistoryBatch | None  # the T histories that remain; None where nothing does


def without_each(run: Run, log: EventLog, start: int, end: int, newest: int = NEWEST) -> Without:
    """The model's scores of all listings for the history `start : end` of `log`, whole and without each of its newest events.

    A history is encoded with the run's own vectors of its listings, as lists are. Without its only event nothing is known,
    and all scores are 0.
    """
    vectors, late = run.vectors("model"), run.late_interaction
    kept = _kept(log, start, end, run.manifest.settings.training.max_listings, late.learned)  # (E,)
    tried = kept[-newest:]
    engine = run.engine.in_float32()  # an event adds little: bfloat16 would blur it
    asked = HistoryBatch(log, kept[:1], kept[-1:] + 1)
    if len(kept) < kept[-1] + 1 - kept[0]:
        asked = HistoryBatch(log.histories(kept, np.array([len(kept)])), np.array([0]), np.array([len(kept)]))
    user = engine.encode_histories(*asked, listings=vectors)  # (1, d)
    whole = late.scores(user, vectors, vectors, *asked)  # (1, L)
    if end - start == 1:
        return Without(np.concatenate([whole, np.zeros_like(whole)]), tried, user, asked, None)
    rows = np.concatenate([kept[kept != event] for event in tried])
    part = log.histories(rows, np.full(len(tried), len(kept) - 1))
    starts, ends = part.start[:-1], part.start[1:]
    without = engine.encode_histories(part, starts, ends, listings=vectors)  # (T, d)
    scores = late.scores(without, vectors, vectors, part, starts, ends)
    return Without(np.concatenate([whole, scores]), tried, user, asked, HistoryBatch(part, starts, ends))


def _kept(log: EventLog, start: int, end: int, most: int, learned: bool) -> np.ndarray:
    """(E,) the rows of the history `start : end` that its scores rest on, where a model reads the newest `most`.

    One more than it reads, so that an older event moves up as it would; and all that says "not this", which weighs however old
    it is. Unless the model has `learned` what that means, it reads the newest of the others.
    """
    rows = np.arange(start, end)
    if not log.some_unwanted:
        return rows[-(most + 1) :]
    wanted = log.wanted[rows]
    read = rows if learned else rows[wanted]
    return np.union1d(read[-(most + 1) :], rows[~wanted])
