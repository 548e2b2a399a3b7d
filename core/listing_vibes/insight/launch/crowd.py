"""The users who may be reached, with the scores of their lists, ready for any listing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.insight.audience import Audience
from listing_vibes.progress import Report
from listing_vibes.run.run import Run
from listing_vibes.search.index import best

USERS, FEWEST = 10_000, 500  # those active last: as many, or, with very many listings, fewer
SCORES = 300_000_000  # of a user and a listing that are computed for a crowd
K = 30  # length of a list that counts


@dataclass(frozen=True, eq=False)
class Crowd:
    """U users with the best of their lists of active listings that are not in their histories.

    A listing's rank with a user is one more than the number of those scores that reach its own, so that all ranks of a
    draft cost one product of vectors.
    """

    people: Audience
    rows: np.ndarray  # (U, k + 1) int64 listings, best first; -1 where there are fewer
    scores: np.ndarray  # (U, k + 1) float32, -inf where there are fewer
    k: int

    @classmethod
    def of(cls, run: Run, limit: int | None = None, k: int = K, report: Report | None = None) -> Crowd:
        """Return the `limit` users active last, as of the last event known; None: as many as are quickly scored.

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
            row: of the listing of the run that they all are, as it stands or changed, which does not compete with itself.
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
