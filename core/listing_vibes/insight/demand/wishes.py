"""What users want: of all listings that were ever published, those that the model would recommend to them first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.insight.audience import Audience
from listing_vibes.market.log import ranges
from listing_vibes.progress import Report
from listing_vibes.run.run import Run

NEAR = 15  # listings that the demand of a user is spread over, evenly
USERS = 2000  # users of a moment, those active last: more say little more about regions with a hundredth of all demand
MOSTLY = 0.5  # part of a user's demand that must be in a region for the user to be one of its users
FEWEST = 20  # users of a region at least, even with less of their demand


@dataclass(frozen=True)
class Wishes:
    """The demand of U users at a moment.

    Not the bare cosines: users and listings are in one space, but users are together in a part of it, so that how near a
    user is to anything says nothing; which listings are the nearest does.
    """

    audience: Audience
    first: np.ndarray  # (U, k) int64, rows of the run
    live: np.ndarray  # (L,) bool, which listings are active then
    published: np.ndarray  # (L,) bool, which there have been until then

    @classmethod
    def of(cls, run: Run, at: int, since: int | None, report: Report | None = None) -> Wishes:
        """Return the demand of the `USERS` users active last before the moment `at`, at or after `since` (None: whenever).

        Raises:
            VibesError: the run has no model, or no user was active then.
        """
        audience = Audience.of(run, USERS, at, report, since)
        available = run.index("model").known
        published = available & (run.catalogue.since <= at)
        first = audience.nearest(np.flatnonzero(published), NEAR)
        return cls(audience, first, available & run.catalogue.live(at), published)

    def shares(self, places: list[np.ndarray]) -> np.ndarray:
        """Return the part of each user's demand that is in each of the regions (rows of the run), (U, P) float32."""
        from scipy import sparse

        users, k = self.first.shape
        rows = np.repeat(np.arange(users), k)
        requested = sparse.csr_matrix(
            (np.full(users * k, 1 / max(k, 1), np.float32), (rows, self.first.ravel())),
            (users, len(self.live)),
        )
        inside = np.zeros((len(self.live), len(places)), np.float32)  # (L, P)
        for place, listings in enumerate(places):
            inside[listings, place] = 1
        result: np.ndarray = requested @ inside
        return result

    @property
    def wished(self) -> np.ndarray:
        """Return how many users' demand is for each listing, (L,)."""
        return np.bincount(self.first.ravel(), minlength=len(self.live)) / max(1, self.first.shape[1])

    def users_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of the users whose demand is mostly in the region `rows`, or of those with most of it there."""
        share = self.shares([rows])[:, 0]
        order = np.argsort(-share, kind="stable")
        return order[: max(min(FEWEST, len(order)), int((share >= MOSTLY).sum()))]

    def listings_of(self, users: np.ndarray) -> np.ndarray:
        """Return the listings of the histories of users, (T,), each once a user."""
        start, length = self.audience.start[users], self.audience.end[users] - self.audience.start[users]
        log, events = self.audience.run.log, ranges(start, length)
        owner = np.repeat(users, length)[log.is_positive[events]]
        return np.unique(np.stack([owner, log.listing[events][log.is_positive[events]]], axis=1), axis=0)[
            :, 1
        ]

    def live_nearest(self, users: np.ndarray, k: int) -> np.ndarray:
        """Return the k active listings that the model recommends to users first, on the mean."""
        live, vectors = np.flatnonzero(self.live), self.audience.run.vectors("model")
        mean = self.audience.vectors[users].mean(axis=0)
        return live[np.argsort(-(vectors[live] @ mean), kind="stable")[:k]]
