"""Whether a model that reads what histories call unwanted has learned to keep away from its like."""

import numpy as np

from core.market.log import EventLog
from core.run.engine import Engine
from core.training.examples import training_ends

#: Unwanted events that are looked at, at most, and how many of them at once; the like of a listing, and a list.
MOST, TOGETHER, LIKE, FIRST = 400, 50, 20, 10
#: Standard errors by which there has to be more of the like after an event than before it.
SURELY = 2.0


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
    more = np.concatenate(
        [
            _like(after[part], listings, log.listing[rows[part]])
            - _like(before[part], listings, log.listing[rows[part]])
            for part in (slice(low, low + TOGETHER) for low in range(0, len(rows), TOGETHER))
        ]
    )  # (n,)
    if len(more) < 2 or more.mean() <= SURELY * more.std(ddof=1) / len(more) ** 0.5:
        return None
    return (
        'The events that say "not this" did not teach this model to keep away: after one, its first '
        f"{FIRST} hold {more.mean():.1f} listings more of those that are most like what was refused than before it. So lists do not read "
        "these events; what is like them falls instead."
    )


def _like(users: np.ndarray, listings: np.ndarray, unwanted: np.ndarray) -> np.ndarray:
    """(n,) how many of the first listings of `users` (n, d) are among those most like `unwanted` (n,), of `listings` (L, d)."""
    own = np.arange(len(unwanted)), unwanted
    found = []
    for vectors, count in ((users, FIRST), (listings[unwanted], LIKE)):
        scores = vectors @ listings.T  # (n, L)
        scores[own] = -np.inf
        found.append(np.argpartition(-scores, count, axis=1)[:, :count])
    return (found[0][:, :, None] == found[1][:, None, :]).any(2).sum(1).astype(float)
