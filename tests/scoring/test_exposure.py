"""What newer listings count: by hand, for a few as for all, and nothing where all were there from the start."""

import numpy as np
import pytest

from listing_vibes.market.log import DAY
from listing_vibes.market.splits import FOREVER, Catalogue
from listing_vibes.scoring.exposure import Exposure
from listing_vibes.scoring.recency import RecentEvents

LISTINGS, DAYS = 12, 10
UNKNOWN = np.iinfo(np.int64).min


@pytest.fixture
def events():
    rng = np.random.default_rng(3)
    time = np.sort(rng.integers(0, 40 * DAY, 300))
    return time, rng.integers(0, LISTINGS - 3, 300).astype(np.int32)  # three that nobody touched


@pytest.fixture
def catalogue() -> Catalogue:
    since = np.array([UNKNOWN, UNKNOWN, 0, 5, 20, 25, 31, 33, 34, 34, 28, 36], np.int64)
    since[2:] *= DAY
    until = np.full(LISTINGS, FOREVER)
    until[[0, 1, 4, 10]] = np.array([-5, 30, 29, 35]) * DAY  # the first was gone before any event is known
    return Catalogue(since, until)


def recent_of(events, exposure: Exposure | None) -> RecentEvents:
    return RecentEvents(DAYS, None, *events, LISTINGS, exposure)


def by_hand(events, catalogue, at: int) -> np.ndarray:
    """(L,) the counts, and for the days that a listing was not there what listings had in as many days."""
    time, listing = events
    first = int(time[0])
    begin = max(at - DAYS * DAY, first)
    inside = (time < at) & (time >= at - DAYS * DAY)
    overlap = [
        max(0, min(at, int(catalogue.until[row])) - max(begin, int(catalogue.since[row]))) / (at - begin)
        for row in range(LISTINGS)
    ]
    mean = inside.sum() / sum(overlap)
    found = []
    for row in range(LISTINGS):
        share = min(1, max(0, (at - max(begin, int(catalogue.since[row]))) / (at - begin)))
        n = (inside & (listing == row)).sum()
        found.append(n + (1 - share) * mean)
    return np.array(found)


def test_days_before_a_listing_came_count_as_those_of_others(events, catalogue):
    recent = recent_of(events, Exposure.of(int(events[0][0]), catalogue))
    at = np.array([36 * DAY, 3 * DAY, 39 * DAY, 21 * DAY, events[0][150] + DAYS * DAY, events[0][200]])
    for row, moment in zip(recent.counts(at), at, strict=True):
        np.testing.assert_allclose(row, by_hand(events, catalogue, int(moment)), rtol=1e-5)


def test_of_a_few_listings_it_is_that_of_all(events, catalogue):
    recent = recent_of(events, Exposure.of(int(events[0][0]), catalogue))
    at = np.array([36, 20, 36, 39]) * DAY
    for asked in ([], [11], [6, 0, 8, 6]):
        found = recent.counts(at, np.array(asked, np.int64))
        np.testing.assert_allclose(found, recent.counts(at)[:, asked], rtol=1e-6)


def test_where_all_were_there_from_the_start_nothing_is_added(events, catalogue):
    first = int(events[0][0])
    assert Exposure.of(first, Catalogue(np.full(LISTINGS, UNKNOWN), catalogue.until)) is None
    assert Exposure.of(first, Catalogue(np.full(LISTINGS, first), catalogue.until)) is None
    before = recent_of(events, Exposure.of(first, catalogue)).counts(np.array([first, first - DAY]))
    assert (before == 0).all()  # no event is known there, so nothing is expected


def test_later_events_change_nothing(events, catalogue):
    time, listing = events
    at = 30 * DAY
    known = time < at
    exposure = Exposure.of(int(time[0]), catalogue)
    less = recent_of((time[known], listing[known]), exposure).counts(np.array([at]))
    assert np.array_equal(recent_of(events, exposure).counts(np.array([at])), less)
