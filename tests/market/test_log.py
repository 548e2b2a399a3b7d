"""The event log: order, ties in time, histories."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market

EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=40
)  # (user, listing, day): few values, so that ties and repeats are common


def test_events_are_sorted_by_user_then_time_then_original_order(log_of_days):
    log = log_of_days([(1, 0, 5), (0, 1, 3), (1, 2, 2), (0, 3, 3), (1, 4, 5)])
    names = [log.users[user] for user in log.user]
    assert names == ["u1", "u1", "u1", "u0", "u0"]
    assert log.listing.tolist() == [2, 0, 4, 1, 3]
    assert log.start.tolist() == [0, 3, 5]
    assert (log.user.dtype, log.listing.dtype, log.time.dtype) == (np.int32, np.int32, np.int64)


def test_chosen_events_are_histories_of_their_own(log_of_days):
    log = log_of_days([(0, 0, 1), (0, 1, 2), (1, 2, 1), (1, 3, 2), (1, 4, 3)])
    part = log.histories(np.array([1, 3, 4]), np.array([1, 2]))
    assert part.listing.tolist() == [1, 3, 4] and part.start.tolist() == [0, 1, 3]
    assert (part.user.tolist(), part.time.tolist(), part.users) == ([0, 1, 1], [0, 0, 1], ["0", "1"])
    assert (part.listings, part.timed, len(part)) == (log.listings, log.timed, 3)


@given(EVENTS)
def test_a_history_holds_exactly_what_the_user_did_strictly_before(log_of_days, rows):
    log = log_of_days(rows)
    assert len(log) == len(rows)
    for row in range(len(log)):
        start, end = log.start[log.user[row]], log.before[row]
        slow = [
            other
            for other in range(len(log))
            if log.user[other] == log.user[row] and log.time[other] < log.time[row]
        ]
        assert list(range(start, end)) == slow
        assert log.history_at(int(log.user[row]), int(log.time[row])) == (start, end)


@given(EVENTS)
def test_a_touch_is_the_first_where_no_event_before_has_the_listing(log_of_days, rows):
    log, seen = log_of_days(rows), set()
    for row, touch in enumerate(zip(log.user, log.listing, strict=True)):
        assert log.is_first_interaction[row] == (touch not in seen)
        seen.add(touch)


@given(EVENTS)
def test_counts_and_order_agree_with_the_raw_rows(log_of_days, rows):
    log = log_of_days(rows)
    assert log.counts().tolist() == [sum(listing == row for _, listing, _ in rows) for row in range(5)]
    assert log.counts(log.time < log.time.max()).sum() == (log.time < log.time.max()).sum()
    key = list(zip(log.user, log.time, strict=True))
    assert key == sorted(key)


def test_actions_and_durations_follow_their_events(tiny_market):
    market = Market.open(tiny_market())
    log = EventLog.from_market(market)
    assert log.actions == ["view", "save"]
    assert [log.actions[code] for code in log.action] == market.events["action"].tolist()
    assert np.allclose(log.duration, market.events["duration_s"])
    assert (log.time == market.events["timestamp"].astype("int64")).all()


def test_a_frame_in_any_order_gives_the_same_log(tiny_market):
    market = Market.open(tiny_market())
    log = EventLog.from_market(market)
    shuffled = EventLog.from_frame(market.events.sample(frac=1, random_state=1), market)
    order = [shuffled.users.index(user) for user in log.users]
    for user, other in enumerate(order):
        mine, theirs = (slice(*one.start[[row, row + 1]]) for one, row in ((log, user), (shuffled, other)))
        for name in ("listing", "time", "action", "duration"):
            assert getattr(log, name)[mine].tolist() == getattr(shuffled, name)[theirs].tolist()


def test_positions_order_a_log_without_times(tiny_market):
    market = Market.open(tiny_market(timed=False))
    log = EventLog.from_market(market)
    assert not log.timed
    assert log.time[:5].tolist() == [0, 1, 2, 3, 4]
    assert pd.Series(log.time).groupby(log.user).apply(lambda times: times.is_monotonic_increasing).all()
