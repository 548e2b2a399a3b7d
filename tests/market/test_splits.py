"""The event log and its splits: order, histories, queries; nothing from a query's future can reach it."""

import hashlib
import hmac
from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Queries, make_split
from listing_vibes.market.user_names import FILE, VARIABLE, NumberedUsers, UserNames
from listing_vibes.market.values import by_user_and_time, rows_in

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


@pytest.fixture
def path(tiny_market):
    folder = tiny_market(photos=0)
    with (folder / "market.toml").open("a") as stream:
        stream.write('\n[privacy]\nusers = "hashed"\n')
    return folder


def test_a_name_is_a_keyed_hash(path, monkeypatch):
    name, key = UserNames(path, True).of("u003"), (path / FILE).read_text()
    assert len(key) == 64 and (path / FILE).stat().st_mode & 0o777 == 0o600
    assert b32decode(name[2:].upper()) == hmac.new(key.encode(), b"u003", hashlib.sha256).digest()[:10]
    assert UserNames(path, True).of("u003") == name != UserNames(path, True).of("u004")
    assert UserNames(path, False).of("u003") == "u003"
    monkeypatch.setenv(VARIABLE, "a secret of twenty-six letters")  # has priority over the file
    assert UserNames(path, True).of("u003") != name
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(VibesError, match=f"{VARIABLE} holds a key of 5 characters"):
        Market.open(path)


def test_a_market_has_names_in_the_order_of_the_ids(path, tiny_market):
    market, plain = Market.open(path), Market.open(tiny_market("plain", photos=0))
    assert market.events[C.USER].tolist() == [market.names.of(user) for user in plain.events[C.USER]]
    assert not plain.names.hashed and not (plain.path / FILE).exists()
    pd.testing.assert_frame_equal(market.events.drop(columns=C.USER), plain.events.drop(columns=C.USER))
    users = EventLog.from_market(market).users
    number = NumberedUsers(users, market.names)  # by name and by id
    assert number["u000"] == number[users[0]] == 0 and "u999" not in number and list(number) == users
    shown = market.names.shown(pd.Series(["a", None, "a"], dtype="str", index=[4, 7, 9]))
    assert shown.isna().tolist() == [False, True, False] and shown.index.tolist() == [4, 7, 9] and shown[4] == shown[9]  # fmt: skip


def test_one_key_is_created_or_the_failure_is_one_sentence(tmp_path):
    (tmp_path / "market").mkdir()
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: UserNames(tmp_path / "market", True).of("u003"), range(24)))
    assert len(names) == 1 and [file.name for file in (tmp_path / "market").iterdir()] == [FILE]
    (tmp_path / "file").touch()
    (tmp_path / FILE).write_bytes(b"\xff" * 40)
    for market in (tmp_path / "file", tmp_path):
        with pytest.raises(VibesError, match=f"cannot be read or created at .*; set {VARIABLE}"):
            UserNames(market, True).of("u003")
