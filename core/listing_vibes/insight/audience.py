"""The most recently active users: recommendations of the model for them, and the ranks of a listing in their lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.progress import Counted, Report
from listing_vibes.run.run import Run
from listing_vibes.search.index import best

USERS = 100
CHUNK = 64  # batch size of users to score


@dataclass(frozen=True, eq=False)
class Audience:
    """U users of a run's market with their histories before a moment."""

    run: Run
    user: np.ndarray  # (U,) int64, user number in the log, most recently active first
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
        """Return the `limit` most recently active users by their events before `before` (None: all events) who have an event
        at or after `since`. Users with only unwanted events (`hide`) are left out unless the model was trained with these:
        other models have no vector for such users.

        Raises:
            VibesError: the run has no model, or no user has an event before that moment.
        """
        if not run.has_model:
            raise VibesError(f"{run.path} has no trained model, so it cannot recommend to users.")
        log = run.log
        at = int(log.time.max(initial=0)) + 1 if before is None else before
        available = np.concatenate([[0], np.cumsum(log.time < at)])
        start = log.start[:-1]
        length = available[log.start[1:]] - available[start]  # (all users,): times ascend within a user
        requested = length
        if log.has_negatives and not run.engine.settings.training.unwanted_learned:
            requested = log.positives_before[start + length] - log.positives_before[start]
        users = np.flatnonzero(requested > 0)
        if not len(users):
            raise VibesError(
                "No user has an event before that moment, so there is no history; choose a later moment."
            )
        last = log.time[start[users] + length[users] - 1]
        if since is not None:
            users, last = users[last >= since], last[last >= since]
            if not len(users):
                raise VibesError("No user was active in the time before that moment; choose another moment.")
        user = users[np.lexsort((users, -last))][:limit]
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

    @property
    def ids(self) -> np.ndarray:
        """Return the ids of the users, (U,)."""
        return np.array([self.run.log.users[number] for number in self.user], object)

    def scores(self, users: slice, candidates: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
        """Return the model's scores (c, C) of `candidates` (C, d) for a slice of the users; `of` (C,) has their listing rows."""
        vectors, log = self.run.vectors("model"), self.run.log
        return self.run.late_interaction.scores(
            self.vectors[users], candidates, vectors, log, self.start[users], self.end[users], of=of
        )

    def new_scores(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices of users with the scores (c, L) of active listings that are not in their histories, -inf for all others."""
        index, log = self.run.index("model"), self.run.log
        live = index.known & self.run.catalogue.live(self.at)
        for first in range(0, len(self), CHUNK):
            users = slice(first, min(first + CHUNK, len(self)))
            block = np.where(live, self.scores(users, index.vectors), -np.inf)
            for line, start, end in zip(block, self.start[users], self.end[users], strict=True):
                line[log.listing[start:end]] = -np.inf
            yield users, block

    def nearest(self, rows: np.ndarray, k: int) -> np.ndarray:
        """Return the top k of the listings `rows` (n,) of the run for each user, (U, min(k, n))."""
        candidates, k = self.run.vectors("model")[rows], min(k, len(rows))
        result = np.empty((len(self), k), np.int64)
        for first in range(0, len(self), CHUNK):
            users = slice(first, first + CHUNK)
            result[users] = best(self.scores(users, candidates, rows), k, rows)[0]
        return result

    def has_in_history(self, row: int | None) -> np.ndarray:
        """Return which users have a listing of the run in their history, (U,) bool."""
        events = np.flatnonzero(self.run.log.listing == (-1 if row is None else row))
        has: np.ndarray = np.searchsorted(events, self.start) < np.searchsorted(events, self.end)
        return has

    def first(self, vector: np.ndarray, row: int | None = None) -> pd.DataFrame:
        """Return all users by the rank of a listing in their lists: `user_id, rank, score, events`.

        The rank is among the active listings that are not in the user's history; ties count against the listing. Users with
        the listing in their history are left out.

        Args:
            vector: (d,) the listing in the model space, L2-normalized.
            row: its row if it is a listing of the run.
        """
        score = self.scores(slice(None), vector[None])[:, 0]  # (U,)
        rank = np.empty(len(self), np.int64)
        for users, block in self.new_scores():
            if row is not None:
                block[:, row] = -np.inf
            rank[users] = 1 + (block >= score[users, None]).sum(axis=1)
        return self.table(rank, score, ~self.has_in_history(row))

    def table(self, rank: np.ndarray, score: np.ndarray, shown: np.ndarray) -> pd.DataFrame:
        """Return the users with `shown` (U,) True by rank (U,) and score (U,): `user_id, rank, score, events`."""
        order = np.lexsort((self.user, -score, rank))
        order = order[shown[order]]
        columns = {
            C.USER: self.ids,
            "rank": rank,
            "score": score.astype(float),
            "events": self.end - self.start,
        }
        return pd.DataFrame({name: values[order] for name, values in columns.items()})
