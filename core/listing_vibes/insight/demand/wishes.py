"""What users wish for: of all listings that were ever published, those that the model would give them first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.insight.audience import Audience
from listing_vibes.progress import Report
from listing_vibes.run.run import Run

NEAR = 15  # listings that a user's wishes are spread over, evenly
USERS = 2000  # asked at a moment, those active last: more say little more about places that hold a hundredth of all wishes


@dataclass(frozen=True, eq=False)
class Wishes:
    """The wishes of U users at a moment, on listings as the space of the model has them.

    Not the bare cosines: users and listings lie in one space, but users lie together in a part of it, so that how near a
    user is to anything says nothing; which listings are the nearest does.
    """

    audience: Audience
    first: np.ndarray  # (U, k) int64, rows of the run
    live: np.ndarray  # (L,) bool, which listings can be had then
    published: np.ndarray  # (L,) bool, which there have been up to then

    @classmethod
    def of(cls, run: Run, at: int, since: int | None, report: Report | None = None) -> Wishes:
        """Of the `USERS` users active last before the moment `at`, at or after `since` (None: whenever that was).

        Raises:
            VibesError: the run has no model, or no user was active then.
        """
        audience = Audience.of(run, USERS, at, report, since)
        known = run.index("model").known
        published = known & (run.catalogue.since <= at)
        first = audience.nearest(np.flatnonzero(published), NEAR)
        return cls(audience, first, known & run.catalogue.live(at), published)

    def shares(self, places: list[np.ndarray]) -> np.ndarray:
        """(U, P) float32: the part of each user's wishes that lies in each of the places (rows of the run)."""
        inside = np.zeros((len(self.live), len(places)), np.float32)  # (L, P)
        for place, rows in enumerate(places):
            inside[rows, place] = 1
        found = np.zeros((len(self.first), len(places)), np.float32)
        for column in self.first.T:
            found += inside[column]
        return found / max(1, self.first.shape[1])

    @property
    def wished(self) -> np.ndarray:
        """(L,) how many users' wishes each listing holds."""
        count = np.bincount(self.first.ravel(), minlength=len(self.live))
        return count / max(1, self.first.shape[1])
