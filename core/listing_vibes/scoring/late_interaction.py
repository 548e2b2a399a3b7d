"""Late interaction: a listing is compared with the user's vector and with every listing of the history."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from listing_vibes.market.log import EventLog, ranges
from listing_vibes.model.settings import ResolvedTraining
from listing_vibes.scoring.unwanted import taken

#: Cosines of events and listings that are held at once.
HELD = 16_000_000
#: A cosine that none is below: what is not wanted is near to nothing, and so is a listing to itself where users seldom return.
LEAST = -1.0
#: Events of a history that are compared one by one, where nothing else is said.
NEWEST = 50


@dataclass(frozen=True)
class LateInteraction:
    """score = (cosine to the user's vector + `weight` x greatest cosine to a listing of the history) / (1 + `weight`).

    One vector is the middle of what a user wants; who looks for a coat and for socks wants nothing in the middle. The
    greatest cosine to one of several vectors is MaxSim (Khattab and Zaharia 2020, "ColBERT", section 3.3), here over the
    listings that the model has read; the history stays content, so new listings count like any other.
    """

    weight: float = 0.0
    newest: int = NEWEST  # events of a history that are read
    learned: bool = False  # whether the model knows by itself what to make of events that are not wanted
    itself: bool = True  # whether a listing of the history is compared with itself, too

    @classmethod
    def of(cls, config: ResolvedTraining) -> LateInteraction:
        """As a model was trained; one of before this was known, or that left it open, has none."""
        weight = config.late_interaction
        return cls(
            0.0 if weight == "auto" else weight,
            config.max_listings,
            config.unwanted_learned,
            config.late_itself is not False,
        )

    @property
    def takes(self) -> bool:
        """Whether what is like what a history calls unwanted falls: by its listings one by one, which nobody learned."""
        return bool(self.weight) or not self.learned

    def scores(
        self,
        users: np.ndarray,
        candidates: np.ndarray,
        vectors: np.ndarray,
        log: EventLog,
        start: np.ndarray,
        end: np.ndarray,
        wanted_alone: bool = False,
        of: np.ndarray | None = None,
    ) -> np.ndarray:
        """(B, C) float32, between -1 and 1 where no history calls anything unwanted.

        Args:
            users: (B, d) the histories' vectors.
            candidates: (C, d) what is scored.
            vectors: (L, d) all listings, of which the events of `log` tell.
            start: (B,) with `end` (B,) the events of each history, of at least one.
            wanted_alone: nothing falls for being like what a history calls unwanted.
            of: (C,) which listings the candidates are, where these are not `vectors` themselves; -1 or None: none of them.
        """
        full = vectors is candidates
        result: np.ndarray = users @ candidates.T
        if self.weight:
            if self.itself:
                of = None
            elif full:
                of = np.arange(len(vectors))
            if log.some_unwanted and not self.learned:  # such a model reads the newest of what is wanted
                part = log.wanted_only(start, end)
                given = part, part.start[:-1], part.start[1:]
            else:
                given = log, start, end
            add_nearest(result, self.weight, candidates, vectors, *given, self.newest, of)
            result = result / np.float32(1 + self.weight)
        if wanted_alone or not (self.takes and log.some_unwanted):
            return result
        owner, rows = log.not_this(start, end)
        for query in np.unique(owner):
            item = slice(query, query + 1)
            own = result[query]
            if not full:  # the unit is the spread over all listings, whichever are asked for
                request = users[item], vectors, vectors, log, start[item], end[item]
                own = self.scores(*request, wanted_alone=True)[0]
            result[query] -= taken(own, vectors, rows[owner == query], None if full else candidates)
        return result


def add_nearest(
    found: np.ndarray,
    weight: float,
    candidates: np.ndarray,
    vectors: np.ndarray,
    log: EventLog,
    start: np.ndarray,
    end: np.ndarray,
    newest: int = NEWEST,
    of: np.ndarray | None = None,
    speaks: np.ndarray | None = None,
) -> None:
    """Add to `found` (B, C) `weight` x the greatest cosine of each candidate to a listing of the histories `start : end`, some of
    which may be empty; `LEAST` where nothing is compared.

    Args:
        candidates: (C, d) what is scored, of length one.
        vectors: (L, d) all listings, of which the events of `log` tell.
        newest: how many events of a history are looked at, at most.
        of: (C,) which listings the candidates are that are not compared with themselves; None: all are.
        speaks: (L,) bool, the listings that are compared; None: all.
    """
    first = np.maximum(start, end - newest)
    step = max(1, HELD // (max(len(candidates), 1) * newest))
    given = np.flatnonzero(end > start)
    for low in range(0, len(given), step):
        subset = given[low : low + step]
        count = end[subset] - first[subset]
        events = ranges(first[subset], count)  # (R,)
        # Histories of one user at several moments share most of their listings.
        listing, row = np.unique(log.listing[events], return_inverse=True)  # (U,), (R,)
        like = vectors[listing] @ candidates.T  # (U, C)
        if of is not None:
            like[listing[:, None] == of] = LEAST
        if speaks is not None:
            like[~speaks[listing]] = LEAST
        requested = log.wanted[events] if log.some_unwanted else None  # (R,) bool
        bounds = np.append(0, np.cumsum(count)).tolist()
        # One by one, since `np.maximum.reduceat` takes some 20 times as long along this axis.
        for query, (begin, behind) in zip(subset.tolist(), pairwise(bounds), strict=True):
            mine = row[begin:behind]
            if requested is not None:
                mine = mine[requested[begin:behind]]
            found[query] += weight * (like[mine].max(axis=0) if len(mine) else LEAST)
    found[end == start] += weight * LEAST
