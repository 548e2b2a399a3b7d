"""Popularity just before the moment of prediction."""

from dataclasses import dataclass

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.scoring.baselines import Baseline
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.scoring.tuning import best, validation_sample

WINDOWS = (60, 30, 120, 240)  # Days; the first is used without validation.
LAST_EVENTS = (5, 1, 2, 10, 20)  # Events per user, without timestamps.


@dataclass(frozen=True, eq=False)
class RecentPopularity(Baseline):
    """Scores by the number of recent events of each listing before a query's moment. It is not trained."""

    order = 20

    recent: RecentEvents
    name: str = "recent popularity"

    @classmethod
    def tune(cls, log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0) -> "RecentPopularity":
        """Return the scorer with the window of the best validation recall@30."""
        if log.timed:
            trials = (cls(RecentEvents.over_days(log, days)) for days in WINDOWS)
        else:
            trials = (cls(RecentEvents.over_events(log, split.train, events)) for events in LAST_EVENTS)
        return best(trials, log, validation_sample(split, seed, log.listings), catalogue)

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32."""
        return self.recent.counts(batch.at)
