"""Ids looked up and sorted by Arrow: as pandas does it on Python's strings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.ids import by_user_and_time, order_of, rows_in
from listing_vibes.market.tables import events_table

# Code points beyond 2**16, whose order in UTF-16 would be another; few names, so that ties are common.
NAMES = ["a", "B", "10", "9", "é", "\uffee", "\U0001f3e0", " x"]
ROWS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 3)), max_size=40)


@given(st.lists(st.sampled_from([*NAMES, None]), max_size=40), st.lists(st.sampled_from(NAMES), unique=True))
def test_rows_are_the_places_among_what_is_known(ids, known):
    found = rows_in(pd.Series(ids, dtype="str"), known)
    assert found.tolist() == [known.index(one) if one in known else -1 for one in ids]
    assert found.dtype == np.int32 and found.flags.writeable
    for other in (pd.Index(known, dtype="str"), pd.Series(known, dtype="str"), pd.Index(known, dtype=object)):
        assert np.array_equal(rows_in(pd.Series(ids, dtype="str"), other), found)


@given(ROWS)
def test_the_order_is_by_user_then_time_then_as_they_stand(rows):
    users = pd.Series([user for user, _ in rows], dtype="str")
    time = np.array([moment for _, moment in rows], np.int64)
    slow = sorted(range(len(rows)), key=lambda row: rows[row])
    found = by_user_and_time(users, time)
    assert (list(range(len(rows))) if found is None else found.tolist()) == slow
    assert (found is None) == (slow == list(range(len(rows))))


def test_of_several_chunks_it_is_one_order():
    users = pd.concat(
        [pd.Series(["b", "a"], dtype="str"), pd.Series(["a", "c"], dtype="str")], ignore_index=True
    )
    assert by_user_and_time(users, np.zeros(4, np.int64)).tolist() == [1, 2, 0, 3]
    assert order_of(np.array([0, 0, 1]), np.array([1, 2, 0])) is None


@pytest.mark.parametrize("named", ["timestamp", "position"])
def test_events_come_out_as_a_stable_sort_of_pandas(tmp_path, named):
    rng = np.random.default_rng(0)
    when = rng.integers(0, 5, 200)
    raw = pd.DataFrame(
        {
            C.USER: rng.choice(NAMES, 200),
            C.LISTING: rng.choice(["l1", "l2", "gone"], 200),
            named: pd.Timestamp("2024-01-01") + pd.to_timedelta(when, unit="h")
            if named == "timestamp"
            else when,
        }
    )
    now = pd.Timestamp("2025-01-01", tz="UTC")
    table, _, defects = events_table(
        raw, tmp_path / "events.csv", pd.Index(["l1", "l2"]), MarketConfig(), now
    )
    kept = raw[raw[C.LISTING] != "gone"].assign(**{C.USER: lambda frame: frame[C.USER].str.strip()})
    slow = kept.sort_values([C.USER, named], kind="stable").reset_index(drop=True)
    assert table[[C.USER, C.LISTING]].equals(slow[[C.USER, C.LISTING]].astype("str"))
    assert [defect.count for defect in defects] == [int((raw[C.LISTING] == "gone").sum())]
