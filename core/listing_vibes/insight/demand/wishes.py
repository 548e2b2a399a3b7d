"""Demand of users: the model's top recommendations from all listings ever published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.insight.audience import Audience
from listing_vibes.market.log import ranges
from listing_vibes.progress import Report
from listing_vibes.run.run import Run

NEAR = 15  # listings per user that share the user's demand evenly
USERS = (
    2000  # most recently active users per moment; more add little for regions with a hundredth of all demand
)
MOSTLY = 0.5  # minimum share of a user's demand in a region to count as its user
FEWEST = 20  # minimum number of users of a region, even with a smaller share


@dataclass(frozen=True)
class Wishes:
    """The demand of U users at a moment.

    Demand uses ranks instead of cosines: users occupy a small part of the space that they share with listings, so the cosine to a
    listing is not comparable, but the order of the listings is.
    """

    audience: Audience
    first: np.ndarray  # (U, k) int64, rows of the run
    live: np.ndarray  # (L,) bool, listings that are active then
    published: np.ndarray  # (L,) bool, listings published until then

    @classmethod
    def of(cls, run: Run, at: int, since: int | None, report: Report | None = None) -> Wishes:
        """Return the demand of the `USERS` most recently active users before the moment `at` and since `since` (None: any time).

        Raises:
            VibesError: the run has no model, or no user was active then.
        """
        audience = Audience.of(run, USERS, at, report, since)
        available = run.index("model").known
        published = available & (run.catalogue.since <= at)
        first = audience.nearest(np.flatnonzero(published), NEAR)
        return cls(audience, first, available & run.catalogue.live(at), published)

    def shares(self, places: list[np.ndarray]) -> np.ndarray:
        """Return the share of each user's demand in each of the regions (rows of the run), (U, P) float32."""
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
        """Return the number of users with demand for each listing, (L,)."""
        return np.bincount(self.first.ravel(), minlength=len(self.live)) / max(1, self.first.shape[1])

    def users_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the users with at least `MOSTLY` of their demand in the region `rows`, or the `FEWEST` with the largest share."""
        share = self.shares([rows])[:, 0]
        order = np.argsort(-share, kind="stable")
        return order[: max(min(FEWEST, len(order)), int((share >= MOSTLY).sum()))]

    def listings_of(self, users: np.ndarray) -> np.ndarray:
        """Return the listings in the histories of users, (T,), once per user."""
        start, length = self.audience.start[users], self.audience.end[users] - self.audience.start[users]
        log, events = self.audience.run.log, ranges(start, length)
        owner = np.repeat(users, length)[log.is_positive[events]]
        return np.unique(np.stack([owner, log.listing[events][log.is_positive[events]]], axis=1), axis=0)[
            :, 1
        ]

    def live_nearest(self, users: np.ndarray, k: int) -> np.ndarray:
        """Return the k active listings with the highest mean score for users."""
        live, vectors = np.flatnonzero(self.live), self.audience.run.vectors("model")
        mean = self.audience.vectors[users].mean(axis=0)
        return live[np.argsort(-(vectors[live] @ mean), kind="stable")[:k]]
