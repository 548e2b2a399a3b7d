"""The days of a market: what was live on each and what was touched, against a slow count."""

import numpy as np
import pytest

from listing_vibes.insight.days import LIVE, MOST, MarketDays
from listing_vibes.market.log import DAY
from listing_vibes.market.splits import Catalogue

HOUR = DAY // 24


@pytest.fixture
def days(make_log):
    log = make_log(
        [0, 0, 0, 1, 1], [0, 1, 1, 2, 0], [10 * DAY + HOUR, 11 * DAY, 11 * DAY + HOUR, 11 * DAY, 14 * DAY - 1],
        listings=4, users=2,
    )  # fmt: skip
    since = np.array([0, 10 * DAY + 5 * HOUR, 12 * DAY, 0])
    until = np.array([11 * DAY, 20 * DAY, 12 * DAY + HOUR, 10 * DAY + HOUR])
    return MarketDays.of(log, Catalogue(since, until))


def test_a_listing_is_active_on_each_day_that_it_was_at_any_time_and_events_count_on_their_day(days):
    assert (len(days), days.date(0), days.date(3), days.begin(1)) == (4, "1970-01-11", "1970-01-14", 11 * DAY)
    dates = ("1970-01-11", "1970-01-14", "1970-01-15", "zebra", "")
    assert [days.number(date) for date in dates] == [0, 3, None, None, None]
    assert [days.live(day).tolist() for day in range(3)] == [
        [True, True, False, True], [False, True, False, False], [False, True, True, False],
    ]  # fmt: skip
    assert [days.touched(day).tolist() for day in range(4)] == [
        [1, 0, 0, 0], [0, 2, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0],
    ]  # fmt: skip


def test_a_refused_listing_has_no_event(make_log, always_live):
    log = make_log([0, 0, 1], [0, 1, 1], [10 * DAY, 11 * DAY, 12 * DAY], 2, 2, hides=[1])
    days = MarketDays.of(log, always_live(log))
    assert [days.touched(day).tolist() for day in range(len(days))] == [[1, 0], [0, 0], [0, 1]]


def test_a_byte_of_a_listing_has_whether_it_was_live_and_how_many_events_as_far_as_they_fit(make_log):
    log = make_log([0] * 301, [0] * 300 + [1], [10 * DAY] * 300 + [11 * DAY], 3, 1)
    days = MarketDays.of(log, Catalogue(np.array([0, 11 * DAY, 0]), np.array([12 * DAY, 12 * DAY, DAY])))
    assert days.codes(0, np.array([2, 1, 0])).tolist() == [0, 0, LIVE + MOST]
    assert days.codes(1, np.array([0, 1])).tolist() == [LIVE, LIVE + 1]


def test_without_times_or_on_one_day_there_is_nothing_to_go_through(make_log, always_live):
    for log in (
        make_log([0, 0], [0, 1], [1, 2], 2, 1, timed=False),
        make_log([0, 0], [0, 1], [HOUR, 2 * HOUR], 2, 1),
        make_log([], [], [], 2, 0),
    ):
        assert MarketDays.of(log, always_live(log)) is None
