"""All users who may be reached, ready to be asked about any listing: their vectors and the scores of their lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.insight.audience import CHUNK, Audience
from listing_vibes.market.columns import Columns as C
from listing_vibes.progress import Report
from listing_vibes.run.run import Run
from listing_vibes.search.index import best

USERS, FEWEST = 10_000, 500  # those active last are asked: as many, or, of very many listings, fewer
SCORES = 300_000_000  # of a user and a listing that are made to have a crowd ready
K = 30  # recommendations that count as getting it


@dataclass(frozen=True, eq=False)
class Crowd:
    """U users with what heads their lists of live listings that they have not touched.

    A listing's place with a user is one more than the number of those scores that reach its own, so that all places of a
    draft cost one product of vectors.
    """

    people: Audience
    rows: np.ndarray  # (U, k + 1) int64 listings, best first; -1 where there are fewer
    scores: np.ndarray  # (U, k + 1) float32, -inf where there are fewer
    k: int

    @classmethod
    def of(cls, run: Run, limit: int | None = None, k: int = K, report: Report | None = None) -> Crowd:
        """The `limit` users active last, as of the last event known; None: as many as are soon asked.

        Raises:
            VibesError: the run has no model, or nobody has a history.
        """
        if limit is None:
            limit = min(USERS, max(FEWEST, SCORES // max(len(run.listing_ids), 1)))
        people = Audience.of(run, limit, report=report)
        index = run.index("model")
        live = index.known & run.catalogue.live(people.at)  # (L,)
        rows = np.empty((len(people), k + 1), np.int64)
        scores = np.empty((len(people), k + 1), np.float32)
        for first in range(0, len(people), CHUNK):
            block = people.scores(slice(first, first + CHUNK), index.vectors)  # (c, L)
            block[:, ~live] = -np.inf
            for place, line in enumerate(block, start=first):
                line[run.log.listing[people.start[place] : people.end[place]]] = -np.inf
            mine = slice(first, first + len(block))
            rows[mine], scores[mine] = best(block, k + 1)
        return cls(people, rows, scores, k)

    def __len__(self) -> int:
        return len(self.people)

    def places(self, vectors: np.ndarray, row: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(place, score), both (U, V), of listings with these vectors (V, d) among each user's recommendations.

        Places beyond `k` are `k + 1`; ties count against the listing. Users who touched it have no place, 0.

        Args:
            row: of the listing of the run that they all are, as it stands or changed, which is then no rival of its own.
        """
        score = self.people.scores(slice(None), vectors)  # (U, V)
        rival = self.scores if row is None else np.where(self.rows == row, -np.inf, self.scores)
        place = np.empty(score.shape, np.int64)
        for column, mine in enumerate(score.T):
            place[:, column] = 1 + np.minimum((rival >= mine[:, None]).sum(axis=1), self.k)
        if row is not None:
            log = self.people.run.log
            place[np.isin(self.people.user, log.user[log.listing == row])] = 0
        return place, score

    def reached(self, place: np.ndarray) -> np.ndarray:
        """bool: which places are among the first `k`."""
        within: np.ndarray = (place > 0) & (place <= self.k)
        return within

    def names(self) -> list[str]:
        """What the users are called, in order."""
        users = self.people.run.log.users
        return [users[number] for number in self.people.user]

    def table(self, place: np.ndarray, score: np.ndarray) -> dict[str, list]:
        """The users reached, by place (U,) and score (U,), as columns `user_id, rank, score, events`."""
        order = np.lexsort((self.people.user, -score, place))
        order = order[self.reached(place[order])]
        names = self.names()
        return {
            C.USER: [names[one] for one in order],
            "rank": place[order].tolist(),
            "score": score[order].astype(float).tolist(),
            "events": (self.people.end - self.people.start)[order].tolist(),
        }
