"""Late interaction: scores by the user's vector and by every listing of the history."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from listing_vibes.market.log import EventLog, ranges
from listing_vibes.model.settings import ResolvedTraining
from listing_vibes.scoring.deviations import unwanted_penalty

#: Cosines of events and listings in memory at a time.
MOST_COSINES = 16_000_000
#: The lowest cosine, for listings that are not compared: a listing with itself where users seldom return.
LEAST_COSINE = -1.0
#: The default number of events of a history that are compared.
NEWEST = 50


@dataclass(frozen=True)
class LateInteraction:
    """score = (cosine to the user's vector + `weight` x greatest cosine to a listing of the history) / (1 + `weight`).

    One vector averages the interests of a user, who may look for a coat and for socks. The greatest cosine to several vectors is
    MaxSim (Khattab and Zaharia 2020, "ColBERT", section 3.3), here over the listings of the history. All vectors are computed
    from content, so new listings also count.
    """

    weight: float = 0.0
    newest: int = NEWEST  # events of a history that are compared
    itself: bool = True  # whether a listing of the history is also compared with itself

    @classmethod
    def of(cls, config: ResolvedTraining) -> LateInteraction:
        """Return the late interaction that a model was trained with; weight 0 for "auto" and for older models."""
        weight = config.late_interaction
        return cls(0.0 if weight == "auto" else weight, config.max_listings, config.late_itself is not False)

    def scores(
        self,
        users: np.ndarray,
        candidates: np.ndarray,
        vectors: np.ndarray,
        log: EventLog,
        start: np.ndarray,
        end: np.ndarray,
        of: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return scores (B, C) float32, between -1 and 1 if no history has unwanted events.

        Args:
            users: (B, d) the histories' vectors.
            candidates: (C, d) the vectors to score.
            vectors: (L, d) the vectors of all listings of `log`.
            start: (B,) with `end` (B,) the events of each history, at least one each.
            of: (C,) the listings of the candidates if these are not `vectors`; -1 or None for candidates outside the log.
        """
        others = None if vectors is candidates else candidates
        owner, rows = log.negatives(start, end)
        log, start, end = log.select_positive(start, end)  # A model reads only these.
        result = self._of_wanted(users, candidates, vectors, log, start, end, of)
        for query in np.unique(owner):
            scores = result[query]
            # The unit of a penalty is the standard deviation over all listings, not over the candidates.
            if others is not None:
                item = slice(query, query + 1)
                scores = self._of_wanted(users[item], vectors, vectors, log, start[item], end[item])[0]
            result[query] -= unwanted_penalty(scores, vectors, rows[owner == query], others)
        return result

    def _of_wanted(
        self,
        users: np.ndarray,
        candidates: np.ndarray,
        vectors: np.ndarray,
        log: EventLog,
        start: np.ndarray,
        end: np.ndarray,
        of: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the scores (B, C) of histories without unwanted events; see `scores`."""
        result: np.ndarray = users @ candidates.T
        if not self.weight:
            return result
        if self.itself:
            of = None
        elif vectors is candidates:
            of = np.arange(len(vectors))
        add_nearest(result, self.weight, candidates, vectors, log, start, end, self.newest, of)
        return result / np.float32(1 + self.weight)


def add_nearest(
    scores: np.ndarray,
    weight: float,
    candidates: np.ndarray,
    vectors: np.ndarray,
    log: EventLog,
    start: np.ndarray,
    end: np.ndarray,
    newest: int = NEWEST,
    of: np.ndarray | None = None,
    present: np.ndarray | None = None,
) -> None:
    """Add to `scores` (B, C) `weight` x the greatest cosine of each candidate to a listing of the histories `start : end`.

    If nothing is compared, as for an empty history, the cosine is `LEAST_COSINE`.

    Args:
        candidates: (C, d) the vectors to score, of length one.
        vectors: (L, d) the vectors of all listings of `log`.
        newest: the maximum number of events of a history that are compared.
        of: (C,) the listings of the candidates, which are then not compared with themselves; None to compare them.
        present: (L,) bool, the listings that are compared; None for all.
    """
    first = np.maximum(start, end - newest)
    step = max(1, MOST_COSINES // (max(len(candidates), 1) * newest))
    nonempty = np.flatnonzero(end > start)
    for low in range(0, len(nonempty), step):
        subset = nonempty[low : low + step]
        count = end[subset] - first[subset]
        events = ranges(first[subset], count)  # (R,)
        # Histories of one user at several moments share most of their listings.
        listing, row = np.unique(log.listing[events], return_inverse=True)  # (U,), (R,)
        like = vectors[listing] @ candidates.T  # (U, C)
        if of is not None:
            like[listing[:, None] == of] = LEAST_COSINE
        if present is not None:
            like[~present[listing]] = LEAST_COSINE
        bounds = np.append(0, np.cumsum(count)).tolist()
        # A loop, since `np.maximum.reduceat` is about 20 times as slow along this axis.
        for query, (begin, behind) in zip(subset.tolist(), pairwise(bounds), strict=True):
            scores[query] += weight * like[row[begin:behind]].max(axis=0)
    scores[end == start] += weight * LEAST_COSINE
