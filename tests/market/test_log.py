"""The event log: its order, simultaneous events, and histories; ids are looked up and sorted as pandas does."""

import hashlib
import hmac
from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import FILE, VARIABLE, NumberedUsers, UserNames
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
