"""Whether a model that reads what histories call unwanted has learned to keep away from its like."""

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.run.engine import Engine
from listing_vibes.search.index import best
from listing_vibes.training.examples import training_ends

#: Standard errors by which lists have to hold more of what is unwanted.
SURELY = 2.0
#: Unwanted events that are looked at, at most, and how many of them at once; the like of a listing, and a list.
MOST, TOGETHER, LIKE, FIRST = 400, 50, 20, 10


def not_kept_away(
    engine: Engine, listings: np.ndarray, log: EventLog, train: np.ndarray, seed: int
) -> str | None:
    """A sentence where lists hold surely more of the like of an unwanted listing once its event is read than before; else None.

    Looked at are unwanted events that come before a user's last one where `train` (N,) holds, and the first 10 listings by the model
    alone: how many of these are among the 20 nearest to the unwanted one.

    Args:
        listings: (L, d) float32, the embeddings of all.
    """
    start, rows = log.start[log.user], np.flatnonzero(~log.wanted)  # of `train` none is unwanted
    rows = rows[(rows > start[rows]) & (rows < training_ends(log, train)[log.user[rows]])]
    if not len(rows) or len(listings) <= LIKE + FIRST:
        return None
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST])
    before, after = (
        engine.encode_histories(log, start[rows], end, listings) for end in (rows, rows + 1)
    )  # (n, d)
    more = np.zeros(len(rows))
    for part in (slice(low, low + TOGETHER) for low in range(0, len(rows), TOGETHER)):
        unwanted = log.listing[rows[part]]
        like = _nearest(listings[unwanted], listings, unwanted, LIKE)
        first = [_nearest(users[part], listings, unwanted, FIRST) for users in (after, before)]
        held = [(one[:, :, None] == like[:, None, :]).any(2).sum(1) for one in first]
        more[part] = held[0] - held[1]
    if len(more) < 2 or more.mean() <= SURELY * more.std(ddof=1) / len(more) ** 0.5:
        return None
    return (
        'The events that say "not this" did not teach this model to keep away: after one, its first '
        f"{FIRST} hold {more.mean():.1f} listings more of those that are most like what was refused than before it. So lists do not read "
        "these events; what is like them falls instead."
    )


def _nearest(vectors: np.ndarray, listings: np.ndarray, unwanted: np.ndarray, count: int) -> np.ndarray:
    """(n, count) the listings nearest to `vectors` (n, d), each but the one of `unwanted` (n,)."""
    scores = vectors @ listings.T  # (n, L)
    scores[np.arange(len(unwanted)), unwanted] = -np.inf
    return best(scores, count)[0]
