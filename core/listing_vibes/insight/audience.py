"""The most recently active users: their lists, and the ranks of a listing in the lists of the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.run.histories import last_active
from listing_vibes.run.run import Run
from listing_vibes.search.index import best

USERS = 100
VISITORS = 300  # users whose lists `recent_lists` makes
CHUNK = 64  # batch size of users to score
ENCODED = 2048  # batch size of users to encode; histories of similar length are encoded together


def recent_lists(run: Run, at: int | None = None) -> pd.DataFrame:
    """Return the recommendations of the `VISITORS` users who were active last before a moment (None: after the last event):
    `user_id, listing_id, rank, events`.

    They are the lists of `Run.recommend`, so that a run without a model has those of untrained neighbors.
    """
    user, start, end = last_active(run, run.after_last_event if at is None else at)
    names = [run.log.users[number] for number in user[:VISITORS]]
    if not names:
        return pd.DataFrame(columns=[C.USER, C.LISTING, "rank", "events"])
    lists = run.recommend(names, k=K, at=at)[[C.USER, C.LISTING]]
    lists["rank"] = lists.groupby(C.USER, sort=False).cumcount() + 1
    lists["events"] = lists[C.USER].map(dict(zip(names, (end - start).tolist(), strict=False)))
    return lists


def newest_listings(run: Run, user: int, at: int | None = None) -> list[str]:
    """Return the distinct listings of a user's events before a moment (None: all), the newest first."""
    rows = run.log.listing[slice(*run.log.history_at(user, at))][::-1]
    return [run.listing_ids[row] for row in dict.fromkeys(rows.tolist())]


def opened_later(run: Run, user: int, at: int | None) -> set[str]:
    """Return the listings that a user interacted with from a moment on; None: after the last event."""
    log = run.log
    later = slice(log.history_at(user, at)[1], int(log.start[user + 1]))
    return {run.listing_ids[row] for row in log.listing[later][log.is_positive[later]]}


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
        report: Report = silent,
        since: int | None = None,
    ) -> Audience:
        """Return the `limit` most recently active users by their events before `before` (None: all events) who have an event
        at or after `since`. Users with only unwanted events (`hide`), which have no vector, are left out.

        Raises:
            VibesError: the run has no model, or no user has an event before that moment.
        """
        run.needs_model()
        log, at = run.log, run.after_last_event if before is None else before
        user, start, end = last_active(run, at)
        if log.has_negatives:
            is_wanted = log.positives_before(end) > log.positives_before(start)
            user, start, end = user[is_wanted], start[is_wanted], end[is_wanted]
        if not len(user):
            raise VibesError(
                "No user has an event before that moment, so there is no history; choose a later moment."
            )
        if since is not None:
            is_recent = log.time[end - 1] >= since
            user, start, end = user[is_recent], start[is_recent], end[is_recent]
            if not len(user):
                raise VibesError("No user was active in the time before that moment; choose another moment.")
        user, start, end = user[:limit], start[:limit], end[:limit]
        parts = []
        for first in range(0, len(user), ENCODED):
            rows = slice(first, first + ENCODED)
            parts.append(run.engine.encode_histories(log, start[rows], end[rows], run.vectors("model")))
            report(Counted("users", min(first + ENCODED, len(user)), len(user)))
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
