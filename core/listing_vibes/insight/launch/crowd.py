"""The users of a simulated launch, with the scores of their lists, prepared for any listing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.insight.audience import Audience
from listing_vibes.progress import Report
from listing_vibes.run.run import Run
from listing_vibes.search.index import best

USERS, FEWEST = 10_000, 500  # maximum and minimum number of users; fewer with very many listings
SCORES = 300_000_000  # maximum number of (user, listing) scores per crowd
K = 30  # length of a list


@dataclass(frozen=True, eq=False)
class Crowd:
    """U users with the top of their lists of active listings that are not in their histories.

    A listing's rank for a user is one more than the number of these scores that are not below its own, so that the ranks of a
    draft need only one matrix product.
    """

    people: Audience
    rows: np.ndarray  # (U, k + 1) int64 listings, best first; -1 in shorter lists
    scores: np.ndarray  # (U, k + 1) float32, -inf in shorter lists
    k: int

    @classmethod
    def of(cls, run: Run, limit: int | None = None, k: int = K, report: Report | None = None) -> Crowd:
        """Return the `limit` most recently active users; None: as many as `SCORES` allows.

        Raises:
            VibesError: the run has no model, or no user has a history.
        """
        if limit is None:
            limit = min(USERS, max(FEWEST, SCORES // max(len(run.listing_ids), 1)))
        people = Audience.of(run, limit, report=report)
        rows = np.empty((len(people), k + 1), np.int64)
        scores = np.empty((len(people), k + 1), np.float32)
        for users, block in people.new_scores():
            rows[users], scores[users] = best(block, k + 1)
        return cls(people, rows, scores, k)

    def __len__(self) -> int:
        return len(self.people)

    def places(self, vectors: np.ndarray, row: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (rank, score), both (U, V), of listings with these vectors (V, d) in each user's list.

        Ranks beyond `k` are `k + 1`; ties count against the listing. Users with it in their history have rank 0.

        Args:
            row: row of the listing in the run, changed or not, which does not compete with itself; None: a new listing.
        """
        score = self.people.scores(slice(None), vectors)  # (U, V)
        others = self.scores if row is None else np.where(self.rows == row, -np.inf, self.scores)
        above = [(others >= column[:, None]).sum(axis=1) for column in score.T]
        rank = 1 + np.minimum(np.stack(above, axis=1), self.k)
        if row is not None:
            log = self.people.run.log
            rank[np.isin(self.people.user, log.user[log.listing == row])] = 0
        return rank, score

    def reached(self, rank: np.ndarray) -> np.ndarray:
        """Return which ranks are among the first `k`, bool."""
        within: np.ndarray = (rank > 0) & (rank <= self.k)
        return within
