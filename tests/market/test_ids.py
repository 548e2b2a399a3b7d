"""Ids looked up and sorted by Arrow: as pandas does it on Python's strings."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.market.ids import by_user_and_time, rows_in

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
