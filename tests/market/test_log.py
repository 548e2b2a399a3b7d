"""The event log: its order, simultaneous events, and histories; ids are looked up and sorted as pandas does."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.values import by_user_and_time, rows_in

EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=40
)  # (user, listing, day): few values, so that simultaneous and repeat events are common
# Code points beyond 2**16, whose order in UTF-16 would be another.
NAMES = ["a", "B", "10", "9", "é", "\uffee", "\U0001f3e0", " x"]


@given(st.lists(st.sampled_from([*NAMES, None]), max_size=40), st.lists(st.sampled_from(NAMES), unique=True))
def test_rows_of_ids_are_their_positions_among_the_values(ids, values):
    rows = rows_in(pd.Series(ids, dtype="str"), values)
    assert rows.tolist() == [values.index(item) if item in values else -1 for item in ids]
    assert rows.dtype == np.int32 and rows.flags.writeable
    for other in (pd.Series(values, dtype="str"), pd.Index(values, dtype=object)):
        assert np.array_equal(rows_in(pd.Series(ids, dtype="str"), other), rows)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 3)), max_size=40))
def test_the_order_is_by_user_then_time_then_original_order(rows):
    time = np.array([moment for _, moment in rows], np.int64)
    slow = sorted(range(len(rows)), key=lambda row: rows[row])
    order = by_user_and_time(pd.Series([user for user, _ in rows], dtype="str"), time)
    assert (list(range(len(rows))) if order is None else order.tolist()) == slow
    assert (order is None) == (slow == list(range(len(rows))))


def test_a_log_is_sorted_and_events_are_selected_as_histories(log_of_days):
    log = log_of_days([(1, 0, 5), (0, 1, 3), (1, 2, 2), (0, 3, 3), (1, 4, 5)])
    assert [log.users[user] for user in log.user] == ["u1", "u1", "u1", "u0", "u0"]
    assert log.listing.tolist() == [2, 0, 4, 1, 3] and log.start.tolist() == [0, 3, 5]
    assert (log.user.dtype, log.listing.dtype, log.time.dtype) == (np.int32, np.int32, np.int64)
    assert set(log.action) == {-1} and np.isnan(log.duration).all()
    part = log.histories(np.array([1, 3, 4]), np.array([1, 2]))
    assert part.listing.tolist() == [0, 1, 3] and part.start.tolist() == [0, 1, 3]
    assert (part.user.tolist(), part.time.tolist(), part.users) == ([0, 1, 1], [0, 0, 1], ["0", "1"])
    assert (part.listings, part.timed, len(part)) == (log.listings, log.timed, 3)


@given(EVENTS)
def test_a_history_has_the_events_strictly_before_and_counts_agree(log_of_days, rows):
    log, seen = log_of_days(rows), set()
    pairs = list(zip(log.user, log.time, strict=True))
    assert len(log) == len(rows) and pairs == sorted(pairs)
    for row, (user, time) in enumerate(pairs):
        start, end = log.start[user], log.before[row]
        assert list(range(start, end)) == [
            n for n, (who, at) in enumerate(pairs) if who == user and at < time
        ]
        assert log.history_at(int(user), int(time)) == (start, end)
        assert log.history_at(int(user)) == (start, log.start[user + 1])
        assert log.is_first_interaction[row] == ((user, log.listing[row]) not in seen)
        seen.add((user, log.listing[row]))
    assert log.counts().tolist() == [sum(listing == row for _, listing, _ in rows) for row in range(5)]
    assert log.counts(log.time < log.time.max()).sum() == (log.time < log.time.max()).sum()


def test_actions_and_durations_belong_to_their_events_in_any_order_of_the_table(tiny_market):
    market = Market.open(tiny_market())
    log = EventLog.from_market(market)
    assert log.actions == ["view", "save"]
    assert [log.actions[code] for code in log.action] == market.events["action"].tolist()
    assert np.allclose(log.duration, market.events["duration_s"])
    assert (log.time == market.events["timestamp"].astype("int64")).all()
    shuffled = EventLog.from_frame(market.events.sample(frac=1, random_state=1), market)
    for user, other in enumerate(shuffled.users.index(name) for name in log.users):
        rows = (slice(*part.start[[row, row + 1]]) for part, row in ((log, user), (shuffled, other)))
        mine, theirs = rows
        for name in ("listing", "time", "action", "duration"):
            assert getattr(log, name)[mine].tolist() == getattr(shuffled, name)[theirs].tolist()


def test_positions_order_a_log_without_times(tiny_market):
    log = EventLog.from_market(Market.open(tiny_market(timed=False)))
    assert not log.timed and log.time[:5].tolist() == [0, 1, 2, 3, 4]
    assert pd.Series(log.time).groupby(log.user).apply(lambda times: times.is_monotonic_increasing).all()
