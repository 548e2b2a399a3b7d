"""What is recent: of a few listings as of all, and no look through a whole log for a few."""

import numpy as np
import pytest

from listing_vibes.market.log import DAY
from listing_vibes.scoring.recency import RecentEvents

LISTINGS = 9


@pytest.fixture(params=["timed", "untimed"])
def recent(request) -> RecentEvents:
    rng = np.random.default_rng(5)
    time = np.sort(rng.integers(0, 30, 60)) * DAY
    listing = rng.integers(0, LISTINGS - 2, 60).astype(np.int32)  # the last two listings have no event
    if request.param == "timed":
        return RecentEvents(7, None, time, listing, LISTINGS)
    return RecentEvents(None, 3, np.zeros(60, np.int64), listing, LISTINGS)


def test_counts_are_those_of_the_days_strictly_before(recent):
    at = np.array([12, 3, 12, 40]) * DAY
    found = recent.counts(at)
    for row, moment in enumerate(at):
        for listing in range(LISTINGS):
            there = recent.listing == listing
            if recent.days is not None:
                there &= (recent.time < moment) & (recent.time >= moment - 7 * DAY)
            assert found[row, listing] == there.sum()


@pytest.mark.parametrize("asked", [[], [8], [5, 2, 0, 6], [3, 0, 3, 8, 7], list(range(LISTINGS))])
def test_of_a_few_listings_they_are_those_of_all(recent, asked):
    at = np.array([29, 12, 0, 12]) * DAY
    listings = np.array(asked, np.int64)
    assert np.array_equal(recent.counts(at, listings), recent.counts(at)[:, listings])
