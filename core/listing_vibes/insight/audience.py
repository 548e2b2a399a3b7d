"""The audience of a listing: the share of all users active in the last weeks who have it in their list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import DAY
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.run.histories import last_active
from listing_vibes.run.run import Run
from listing_vibes.search.index import best
from listing_vibes.words import count, percent

DAYS = 28  # days before a moment in which a user must have been active; all users where events have no timestamps
USERS, FEWEST = (
    1_000,
    500,
)  # maximum and minimum size of the sample that stands for all users; fewer with very many listings
SCORES = 300_000_000  # maximum number of (user, listing) scores per sample
UNTRAINED = 300  # size of the sample whose lists have no model to make them
CHUNK = 64  # batch size of users to score
ENCODED = 2048  # batch size of users to encode; histories of similar length are encoded together


@dataclass(frozen=True)
class Population:
    """The users of whom an audience is a share: all who were active in the last weeks, of whom a sample is asked.

    >>> Population(users=3928, sample=1000, days=28).describe(), audience_share(65 / 1000)
    ('3,928 users active in the last 28 days', '6.5% of users')
    """

    users: int  # all users active in the window
    sample: int  # those who stand for them
    days: int | None  # the window; None: events have no timestamps, so all users with an event

    def describe(self) -> str:
        """Return the denominator of every audience of a run in words."""
        window = "" if self.days is None else f" active in the last {self.days} days"
        return f"{count(self.users, 'user')}{window}"

    def share(self, users: int) -> float:
        """Return what share of the population so many users of the sample stand for."""
        return users / max(self.sample, 1)


def audience_share(share: float, what: str = " of users") -> str:
    """Return an audience as people read it: `3.4% of users`, `12% of users`."""
    return f"{percent(share, 1 if 0 < share < 0.0995 else 0, bounds=('under ', 'over '))}{what}"


def share_gain(gain: float, low: float, high: float) -> str:
    """Return a difference of two audiences with its interval, in percentage points: `+2.1 (+0.4 to +3.8)`."""
    return f"{100 * gain:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def active_users(
    run: Run, at: int | None, limit: int, days: int | None = DAYS
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Population]:
    """Return users active in the `days` before a moment (None: after the last event), most recently active first, evenly spaced
    where there are more than `limit`; the first and the last row of their histories, each (U,); and of whom they are a sample.

    Users with only unwanted events (`hide`), which have no vector, are left out.

    Raises:
        VibesError: no user was active then.
    """
    log, moment = run.log, run.after_last_event if at is None else at
    user, start, end = last_active(run, moment)
    if log.has_negatives:
        is_wanted = log.positives_before(end) > log.positives_before(start)
        user, start, end = user[is_wanted], start[is_wanted], end[is_wanted]
    if not len(user):
        raise VibesError(
            "No user has an event before that moment, so there is no history; choose a later moment."
        )
    days = days if log.timed else None
    if days is not None:
        is_recent = log.time[end - 1] >= moment - days * DAY
        user, start, end = user[is_recent], start[is_recent], end[is_recent]
        if not len(user):
            raise VibesError(
                f"No user was active in the {days} days before that moment; choose another moment."
            )
    total = len(user)
    rows = np.unique(np.linspace(0, total - 1, min(limit, total)).round().astype(int))
    return user[rows], start[rows], end[rows], Population(total, len(rows), days)


def recent_lists(run: Run, at: int | None = None) -> tuple[pd.DataFrame, Population]:
    """Return the first listings for a sample of the users active before a moment, `user_id, listing_id, rank, events`, and of whom
    it is a sample: by the model only, so that a listing's audience is the one of its launch; without a model by untrained neighbors.
    """
    if not len(run.log):
        return pd.DataFrame(columns=[C.USER, C.LISTING, "rank", "events"]), Population(0, 0, None)
    if run.has_model:
        crowd = Crowd.of(run, before=at)
        return crowd.lists(), crowd.people.population
    user, start, end, population = active_users(run, at, UNTRAINED)
    names = [run.log.users[number] for number in user]
    lists = run.recommend(names, k=K, at=at)[[C.USER, C.LISTING]]
    lists["rank"] = lists.groupby(C.USER, sort=False).cumcount() + 1
    lists["events"] = lists[C.USER].map(dict(zip(names, (end - start).tolist(), strict=True)))
    return lists, population


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
    population: Population

    @classmethod
    def of(
        cls,
        run: Run,
        limit: int = USERS,
        before: int | None = None,
        report: Report = silent,
    ) -> Audience:
        """Return at most `limit` of the users active before `before` (None: after the last event), see `active_users`.

        Raises:
            VibesError: the run has no model, or no user was active then.
        """
        run.needs_model()
        log, at = run.log, run.after_last_event if before is None else before
        user, start, end, population = active_users(run, before, limit)
        parts = []
        for first in range(0, len(user), ENCODED):
            rows = slice(first, first + ENCODED)
            parts.append(run.engine.encode_histories(log, start[rows], end[rows], run.vectors("model")))
            report(Counted("users", min(first + ENCODED, len(user)), len(user)))
        return cls(run, user, start, end, np.concatenate(parts), at, population)

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


@dataclass(frozen=True, eq=False)
class Crowd:
    """U users with the top of their lists of active listings that are not in their histories, prepared for any listing.

    A listing's rank for a user is one more than the number of these scores that are not below its own, so that the ranks of a
    draft need only one matrix product.
    """

    people: Audience
    rows: np.ndarray  # (U, k + 1) int64 listings, best first; -1 in shorter lists
    scores: np.ndarray  # (U, k + 1) float32, -inf in shorter lists
    k: int

    @classmethod
    def of(
        cls,
        run: Run,
        limit: int | None = None,
        k: int = K,
        report: Report = silent,
        before: int | None = None,
    ) -> Crowd:
        """Return at most `limit` of the users active before a moment (None: after the last event); None: as many as `SCORES` allows.

        Raises:
            VibesError: the run has no model, or no user has a history.
        """
        if limit is None:
            limit = min(USERS, max(FEWEST, SCORES // max(len(run.listing_ids), 1)))
        people = Audience.of(run, limit, before, report)
        rows = np.empty((len(people), k + 1), np.int64)
        scores = np.empty((len(people), k + 1), np.float32)
        for users, block in people.new_scores():
            rows[users], scores[users] = best(block, k + 1)
        return cls(people, rows, scores, k)

    def ranks(self, vectors: np.ndarray, row: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (rank, score), both (U, V), of listings with these vectors (V, d) in each user's list.

        Ranks beyond `k` are `k + 1`; ties count against the listing. A listing with a `row` in the run, changed or not, does not
        compete with itself, and has rank 0 for users with it in their history.
        """
        score = self.people.scores(slice(None), vectors)  # (U, V)
        others = self.scores if row is None else np.where(self.rows == row, -np.inf, self.scores)
        above = [(others >= column[:, None]).sum(axis=1) for column in score.T]
        rank = 1 + np.minimum(np.stack(above, axis=1), self.k)
        if row is not None:
            events = np.flatnonzero(self.people.run.log.listing == row)
            rank[np.searchsorted(events, self.people.start) < np.searchsorted(events, self.people.end)] = 0
        return rank, score

    def lists(self) -> pd.DataFrame:
        """Return the first `k` listings of each user, `user_id, listing_id, rank, events`."""
        user, place = np.nonzero(self.rows[:, : self.k] >= 0)
        people, ids = self.people, np.array(self.people.run.listing_ids, object)
        columns = {C.USER: people.ids[user], C.LISTING: ids[self.rows[user, place]], "rank": place + 1}
        return pd.DataFrame({**columns, "events": (people.end - people.start)[user]})

    def typical_audience(self) -> float | None:
        """Return the median audience of the active listings, as a share of users; None if no listing is active."""
        run = self.people.run
        audience = self.audiences()[run.index("model").known & run.catalogue.live(self.people.at)]
        return float(np.median(audience)) if len(audience) else None

    def audiences(self) -> np.ndarray:
        """Return the audience (L,) of each listing, as a share of users."""
        rows = self.rows[:, : self.k]
        return np.bincount(rows[rows >= 0], minlength=len(self.people.run.listing_ids)) / len(self.people)

    def is_reached(self, rank: np.ndarray) -> np.ndarray:
        """Return which ranks are among the first `k`, bool."""
        return np.asarray((rank > 0) & (rank <= self.k))
