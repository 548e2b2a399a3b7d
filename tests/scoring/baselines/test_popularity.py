"""Popularity by loops."""

from collections import Counter

import numpy as np
import pytest

from listing_vibes.market.log import DAY
from listing_vibes.market.splits import make_split
from listing_vibes.scoring.baselines.recent_popularity import WINDOWS, RecentPopularity
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.scoring.tuning import recall


@pytest.mark.parametrize("days", [1, 7, 60])
def test_recent_popularity_counts_the_days_strictly_before_each_query(random_log, always_live, days):
    log = random_log(1)
    queries = make_split(log, always_live(log)).test
    order = np.random.default_rng(0).permutation(len(queries))
    queries = queries.take(order)
    scores = RecentPopularity(RecentEvents.over_days(log, days)).score(queries)
    for row, at in enumerate(queries.at):
        counts = Counter(
            int(listing)
            for listing, time in zip(log.listing, log.time, strict=True)
            if at - days * DAY <= time < at
        )
        assert scores[row].tolist() == [counts[listing] for listing in range(log.listings)]
    asked = np.array([7, 2, 7, log.listings - 1])
    assert (RecentEvents.over_days(log, days).counts(queries.at, asked) == scores[:, asked]).all()


@pytest.mark.parametrize("events", [1, 3])
def test_without_timestamps_the_last_training_events_of_each_user_are_recent(random_log, always_live, events):
    log = random_log(2, timed=False)
    split = make_split(log, always_live(log))
    counts: Counter = Counter()
    for user in range(len(log.users)):
        own = log.listing[(log.user == user) & split.train]
        counts.update(own[-events:].tolist())
    scores = RecentPopularity(RecentEvents.over_events(log, split.train, events)).score(split.test)
    assert scores[0].tolist() == [counts[listing] for listing in range(log.listings)]
    assert (scores == scores[0]).all()
    asked = np.array([5, 1, 5])
    found = RecentEvents.over_events(log, split.train, events).counts(split.test.at, asked)
    assert (found == scores[:, asked]).all()


def test_the_window_is_the_one_that_validation_likes_best(random_log, always_live):
    log = random_log(3, users=60, listings=70, events=900)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    reached = {
        days: recall(RecentPopularity(RecentEvents.over_days(log, days)), log, split.valid, catalogue)
        for days in WINDOWS
    }
    assert len(set(reached.values())) > 1
    assert reached[RecentPopularity.tune(log, split, catalogue).recent.days] == max(reached.values())
