"""Splits and queries; nothing from a query's future can reach it, and a planted leak is caught."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Queries, make_split

LISTINGS = 5
DAY = 86_400 * 10**9
BASE = pd.Timestamp("2024-01-01").value
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, LISTINGS - 1), st.integers(0, 9)), min_size=2, max_size=40
)
LIVES = st.lists(
    st.tuples(st.integers(-1, 6), st.integers(1, 10)), min_size=LISTINGS, max_size=LISTINGS
)  # (published on day, live for days)


def always() -> Catalogue:
    return Catalogue(np.full(LISTINGS, np.iinfo(np.int64).min), np.full(LISTINGS, np.iinfo(np.int64).max))


def living(lives: list[tuple[int, int]]) -> Catalogue:
    since = np.array([BASE + start * DAY for start, _ in lives])
    return Catalogue(since, since + np.array([days for _, days in lives]) * DAY)


def leaks(log: EventLog, catalogue: Catalogue, queries: Queries, candidates: np.ndarray) -> list[str]:
    """Whatever a query can see or recommend and must not, found one query at a time from the raw log."""
    found = []
    for q in range(len(queries)):
        at, user = queries.at[q], queries.user[q]
        for row in range(queries.start[q], queries.end[q]):
            if log.user[row] != user:
                found.append("an event of somebody else")
            if log.time[row] >= at:
                found.append("an event at or after the moment")
        seen = {int(log.listing[row]) for row in range(queries.start[q], queries.end[q])}
        for listing in range(log.listings):
            if candidates[q, listing] and not catalogue.since[listing] <= at < catalogue.until[listing]:
                found.append("a listing that is not live")
            if candidates[q, listing] and listing in seen:
                found.append("a listing of the history")
        if not candidates[q, queries.target[q]]:
            found.append("a target that nobody can hit")
    return found


@given(ROWS, LIVES)
def test_no_event_at_or_after_the_moment_and_no_expired_listing_reaches_a_query(log_of_days, rows, lives):
    log, catalogue = log_of_days(rows), living(lives)
    assume(len(np.unique(log.time)) > 2)
    split = make_split(log, catalogue, t1=int(log.time.min()) + DAY, t2=int(log.time.max()) - DAY)
    for queries in (split.valid, split.test):
        candidates = catalogue.candidates(log, queries)
        assert leaks(log, catalogue, queries, candidates) == []
        # the planted leaks: one more event in each history, and every listing as a candidate
        later = replace(queries, end=np.minimum(queries.end + 1, log.start[queries.user + 1]))
        if len(queries):
            assert "an event at or after the moment" in leaks(log, catalogue, later, candidates)
        open_to_all = leaks(log, catalogue, queries, np.ones_like(candidates))
        assert bool(open_to_all) == (not candidates.all())


@given(ROWS)
def test_temporal_queries_are_the_first_touches_after_a_history(log_of_days, rows):
    log = log_of_days(rows)
    assume(len(np.unique(log.time)) > 2)
    split = make_split(log, always(), t1=int(log.time.min()) + DAY, t2=int(log.time.max()))
    slow = []
    for row in range(len(log)):
        same = [other for other in range(len(log)) if log.user[other] == log.user[row]]
        before = [other for other in same if log.time[other] < log.time[row]]
        touched = any(log.listing[other] == log.listing[row] for other in same if other < row)
        if before and not touched and log.time[row] >= split.t1:
            slow.append(row)
    assert sorted([*split.valid.event, *split.test.event]) == slow
    assert (log.time[split.valid.event] < split.t2).all()
    assert (log.time[split.test.event] >= split.t2).all()
    assert (split.test.target == log.listing[split.test.event]).all()
    assert (split.train == (log.time < split.t1)).all()


def test_the_default_moments_are_70_and_80_percent_of_the_events(log_of_days):
    log = log_of_days([(row % 3, row % 5, row) for row in range(100)])
    split = make_split(log, always())
    assert (split.protocol, split.train.sum()) == ("temporal", 69)
    assert ((split.t1 - BASE) // DAY, (split.t2 - BASE) // DAY) == (69, 79)


def test_leave_one_out_takes_the_last_and_the_one_before(log_of_days):
    log = log_of_days([(0, 0, 0), (0, 1, 1), (0, 2, 2), (0, 0, 3), (1, 3, 0), (1, 4, 1)], timed=False)
    split = make_split(log, always())
    assert split.protocol == "leave-one-out"
    assert (split.valid.target.tolist(), split.test.target.tolist()) == ([2], [0])
    assert log.listing[split.test.start[0] : split.test.end[0]].tolist() == [0, 1, 2]
    assert log.listing[split.valid.start[0] : split.valid.end[0]].tolist() == [0, 1]
    assert np.flatnonzero(~split.train).tolist() == [2, 3]  # two events are too few to hold out
    assert always().candidates(log, split.test).tolist() == [[False, False, False, True, True]]  # as in lists
    assert always().candidates(log, split.with_history(False).test).all()  # as in papers


@pytest.mark.parametrize(("returning", "hidden"), [(0, True), (1, True), (4, False)])
def test_leave_one_out_hides_the_history_unless_training_events_return(log_of_days, returning, hidden):
    # Each of 20 users touches eight listings, the last two for the test; of 100 later training events some return.
    pairs = [(user, place) for user in range(20) for place in range(8)]
    events = [(user, 1 if user < returning and place == 3 else place, place) for user, place in pairs]
    split = make_split(log_of_days(events, listings=8, timed=False), always())
    assert (split.valid.masked, split.test.masked) == (hidden, hidden)
    assert split.with_history(True).test.masked and not split.with_history(False).test.masked


@given(ROWS)
def test_leave_one_out_trains_on_no_target_and_sees_only_earlier_rows(log_of_days, rows):
    split = make_split(log := log_of_days(rows, timed=False), always(), "leave-one-out")
    for queries in (split.valid, split.test):
        assert not split.train[queries.event].any()
        assert (queries.end == queries.event).all()
        assert (log.start[queries.user] == queries.start).all()
        assert (log.time[queries.end - 1] <= queries.at).all()


def test_an_impossible_split_is_one_sentence(log_of_days):
    untimed, timed = log_of_days([(0, 0, 0), (0, 1, 1)], timed=False), log_of_days([(0, 0, 0), (0, 1, 1)])
    for log, protocol, t1, t2, says in (
        (untimed, "temporal", None, None, "no timestamps"), (timed, None, BASE + DAY, BASE, "T1"), (timed, None, BASE, BASE + DAY, "No event lies before T1"),
        (log_of_days([]), "temporal", None, None, "no events"), (log_of_days([]), "leave-one-out", None, None, "no events"),
    ):  # fmt: skip
        with pytest.raises(VibesError, match=says):
            make_split(log, always(), protocol, t1=t1, t2=t2)
    with pytest.raises(VibesError, match="hide_history=False"):
        make_split(timed, always(), t1=BASE + DAY, t2=BASE + DAY).with_history(False)


def test_what_is_active_during_some_time_is_active_at_one_of_its_moments():
    since, until = (part.ravel() for part in np.meshgrid(np.arange(6), np.arange(1, 7)))
    assert (since >= until).any()  # what ends as it begins, or before, is never active
    for begin in range(6):
        for end in range(begin + 1, 7):
            moments = np.arange(begin, end)[:, None]
            active = ((since <= moment) & (moment < until) for moment in moments)
            assert Catalogue(since, until).during(begin, end).tolist() == np.any([*active], axis=0).tolist()


def test_where_only_the_order_is_known_all_are_always_live(tiny_market):
    market = Market.open(tiny_market(photos=0, lifetimes=True, timed=False))
    since, until = market.live_interval()
    assert since.max() > 0 and until.min() < np.iinfo(np.int64).max
    assert Catalogue.of(market).live(np.arange(3)[:, None]).all()
