"""The check whether a model has learned from unwanted events to rank similar listings lower."""

from __future__ import annotations

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.run.engine import Engine
from listing_vibes.search.index import best
from listing_vibes.training.examples import training_ends

#: The number of standard errors of a significant increase of unwanted listings.
SIGNIFICANT = 2.0
#: The maximum number of unwanted events, the batch size, the number of neighbors of a listing, and the length of a list.
MOST, TOGETHER, NEIGHBORS, FIRST = 400, 50, 20, 10


def approaches_unwanted(
    engine: Engine, listings: np.ndarray, log: EventLog, train: np.ndarray, seed: int
) -> bool:
    """Return whether lists after an unwanted event have significantly more similar listings than before it.

    For unwanted events before the last one of a user's `train` (N,) events, it counts how many of the first 10 listings by the
    model only are among the 20 nearest to the unwanted one.

    Args:
        listings: (L, d) float32, the embeddings of all.
    """
    start, rows = log.start[log.user], np.flatnonzero(~log.is_positive)  # `train` has no unwanted events
    rows = rows[(rows > start[rows]) & (rows < training_ends(log, train)[log.user[rows]])]
    if not len(rows) or len(listings) <= NEIGHBORS + FIRST:
        return False
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST])
    before = engine.encode_histories(log, start[rows], rows, listings)  # (n, d)
    after = engine.encode_histories(log, start[rows], rows + 1, listings)
    more = np.zeros(len(rows))
    for part in (slice(low, low + TOGETHER) for low in range(0, len(rows), TOGETHER)):
        unwanted = log.listing[rows[part]]
        like = _nearest(listings[unwanted], listings, unwanted, NEIGHBORS)
        lists = [_nearest(users[part], listings, unwanted, FIRST) for users in (after, before)]
        held = [(result[:, :, None] == like[:, None, :]).any(2).sum(1) for result in lists]
        more[part] = held[0] - held[1]
    return len(more) > 1 and bool(more.mean() > SIGNIFICANT * more.std(ddof=1) / len(more) ** 0.5)


def _nearest(vectors: np.ndarray, listings: np.ndarray, unwanted: np.ndarray, count: int) -> np.ndarray:
    """Return the listings (n, count) nearest to `vectors` (n, d), without `unwanted` (n,)."""
    scores = vectors @ listings.T  # (n, L)
    scores[np.arange(len(unwanted)), unwanted] = -np.inf
    return best(scores, count)[0]
