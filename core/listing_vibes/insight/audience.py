"""Who would get a listing first: its place among the recommendations of the users that were active last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.progress import Counted, Report
from listing_vibes.run.run import Run
from listing_vibes.search.index import best

USERS = 100
CHUNK = 64  # users whose scores to all listings are held at once


@dataclass(frozen=True, eq=False)
class Audience:
    """U users of a run's market with their histories as of a moment."""

    run: Run
    user: np.ndarray  # (U,) int64, number in the log, the user active last first
    start: np.ndarray  # (U,) int64, first row of the history in the log
    end: np.ndarray  # (U,) int64
    vectors: np.ndarray  # (U, d) float32
    at: int  # the moment, in the log's time

    @classmethod
    def of(
        cls,
        run: Run,
        limit: int = USERS,
        before: int | None = None,
        report: Report | None = None,
        since: int | None = None,
    ) -> Audience:
        """The `limit` users active last, by their events before the moment `before` (None: by all of them), of those with one
        at or after `since`. Who until then only refused listings (`hide`) is none of them, unless the model has learned what
        that means: of other models such a user has no vector.

        Raises:
            VibesError: the run has no model, or no user has an event before that moment.
        """
        if not run.has_model:
            raise VibesError(f"{run.path} has no trained model, so nothing is recommended to anybody.")
        log = run.log
        at = int(log.time.max(initial=0)) + 1 if before is None else before
        known = np.concatenate([[0], np.cumsum(log.time < at)])
        start = log.start[:-1]
        length = known[log.start[1:]] - known[start]  # (all users,): times ascend within a user
        told = length
        if log.some_unwanted and not run.engine.settings.training.unwanted_learned:
            told = log.wanted_before[start + length] - log.wanted_before[start]
        there = np.flatnonzero(told > 0)
        if not len(there):
            moment = "" if before is None else " before that moment"
            raise VibesError(f"No user has an event{moment}, so there is no history to go by.")
        last = log.time[start[there] + length[there] - 1]
        if since is not None:
            there, last = there[last >= since], last[last >= since]
            if not len(there):
                raise VibesError("No user was active in the time before that moment; choose another moment.")
        user = there[np.lexsort((there, -last))][:limit]
        start, end = start[user], start[user] + length[user]
        parts = []
        for first in range(0, len(user), CHUNK):
            rows = slice(first, first + CHUNK)
            parts.append(run.engine.encode_histories(log, start[rows], end[rows], run.vectors("model")))
            if report is not None:
                report(Counted("users", min(first + CHUNK, len(user)), len(user)))
        return cls(run, user, start, end, np.concatenate(parts), at)

    def __len__(self) -> int:
        return len(self.user)

    def scores(self, users: slice, candidates: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
        """(c, C) what the model says of `candidates` (C, d) for some of the users; `of` (C,) which listings these are."""
        vectors, log = self.run.vectors("model"), self.run.log
        return self.run.late_interaction.scores(
            self.vectors[users], candidates, vectors, log, self.start[users], self.end[users], of=of
        )

    def nearest(self, rows: np.ndarray, k: int) -> np.ndarray:
        """(U, min(k, n)) which of the listings `rows` (n,) of the run the model gives each user first, the best first."""
        candidates, k = self.run.vectors("model")[rows], min(k, len(rows))
        found = np.empty((len(self), k), np.int64)
        for first in range(0, len(self), CHUNK):
            some = slice(first, first + CHUNK)
            found[some] = best(self.scores(some, candidates, rows), k, rows)[0]
        return found

    def first(self, vector: np.ndarray, row: int | None = None) -> pd.DataFrame:
        """All users, those first whose recommendations a listing would lead: `user_id, rank, score, events`.

        Its rank is the place among the listings live at the moment that are not in the user's history; ties count
        against it. Users who have the listing in their history are left out.

        Args:
            vector: (d,) the listing in the model space, L2-normalised.
            row: its row where it is a listing of the run.
        """
        log, catalogue = self.run.log, self.run.catalogue
        index = self.run.index("model")
        live = index.known & catalogue.live(self.at)  # (L,)
        if row is not None:
            live[row] = False
        score = self.scores(slice(None), vector[None])[:, 0]  # (U,)
        rank, has = np.empty(len(self), np.int64), np.zeros(len(self), bool)
        for first in range(0, len(self), CHUNK):
            block = self.scores(slice(first, first + CHUNK), index.vectors)  # (c, L)
            for place, others in enumerate(block, start=first):
                history = log.listing[self.start[place] : self.end[place]]
                ahead = live & (others >= score[place])
                ahead[history] = False
                rank[place] = 1 + int(ahead.sum())
                has[place] = row is not None and bool((history == row).any())
        order = np.lexsort((self.user, -score, rank))
        order = order[~has[order]]
        return pd.DataFrame(
            {
                C.USER: [log.users[number] for number in self.user[order]],
                "rank": rank[order],
                "score": score[order].astype(float),
                "events": (self.end - self.start)[order],
            }
        )
