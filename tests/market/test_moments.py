"""Moments: columns of dates and Unix times, and what users give."""

import datetime as dt
import time

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.moments import moment_in_log, to_moments

NOON = pd.Timestamp("2024-03-25T12:00", tz="UTC").value


def minutes(column: pd.Series) -> list[str]:
    """The moments of a column to the minute, "" where a cell is none."""
    moments, bad = to_moments(column)
    assert str(moments.dtype) == "datetime64[ns, UTC]" and (bad == (moments.isna() & column.notna())).all()
    return moments.astype("str").str[:16].where(moments.notna(), "").tolist()


@pytest.mark.parametrize(
    ("cells", "moment"),
    [
        (["2024-01-06"], "2024-01-06 00:00"), (["2024-01-06T10:00:00+02:00"], "2024-01-06 08:00"), (["2024-01-06 10:00:00 UTC"], "2024-01-06 10:00"),
        (["1704067200"], "2024-01-01 00:00"), ([1704067200000], "2024-01-01 00:00"), ([1704067200000000], "2024-01-01 00:00"),
        ([1704067200000000000], "2024-01-01 00:00"), (["20240131"], "2024-01-31 00:00"), ([20240131.0, np.nan], "2024-01-31 00:00"),
        ([dt.date(2024, 2, 29)], "2024-02-29 00:00"), (["31.01.2024"], "2024-01-31 00:00"), (["1.2.2024 9:05"], "2024-02-01 09:05"),
        (["9999-12-31"], "2262-04-11 23:47"), ([pd.Timestamp("9999-12-31")], "2262-04-11 23:47"),
    ],
)  # fmt: skip
def test_moments_are_read_as_utc(cells, moment):
    assert minutes(pd.Series(cells))[0] == moment


@pytest.mark.parametrize(
    "cells",
    [
        ["yesterday"], ["2024-13-01"], ["31.13.2024"], ["05/01/2024"], ["20240230"], [2023, 45300], [True, False],
    ],
)  # fmt: skip
def test_what_is_no_moment_for_sure_is_bad(cells):
    assert set(minutes(pd.Series(cells))) == {""}


@pytest.mark.parametrize(
    ("cells", "moments"),
    [
        (["24/01/2024 01:57", "03/02/2024"], ["2024-01-24 01:57", "2024-02-03 00:00"]),
        (["01/24/2024 06:07 PM", "3/2/2024 12:00:01 am"], ["2024-01-24 18:07", "2024-03-02 00:00"]),
        (["01/02/2024", "2024-01-31"], ["", "2024-01-31 00:00"]), (["24/01/2024", "01/24/2024"], ["", ""]),
    ],
)  # fmt: skip
def test_the_whole_column_decides_whether_the_day_comes_first(cells, moments):
    assert minutes(pd.Series(cells)) == moments


@pytest.mark.parametrize(
    "at",
    ["2024-03-25T12:00", "2024-03-25 14:00+02:00", " 25.03.2024 12:00 ", pd.Timestamp("2024-03-25T13:00", tz="Europe/Berlin"),
     np.datetime64("2024-03-25T12:00"), dt.datetime(2024, 3, 25, 12, tzinfo=dt.UTC), NOON, np.int64(NOON)],
)  # fmt: skip
def test_a_moment_is_read_in_every_form(at):
    assert moment_in_log(at, timed=True) == NOON
    assert moment_in_log(dt.date(2024, 3, 25), True) == NOON - 12 * 3600 * 10**9
    assert abs(moment_in_log("now", True) - time.time_ns()) < 5 * 10**9


@pytest.mark.parametrize(
    "at", ["", "NaT", "noon", "05/06/2024", "12:00", "17", None, float("nan"), [], "9" * 400, 10**30, 1712016000, np.int64(1712016000000), "5000-01-01"]
)  # fmt: skip
def test_what_is_no_moment_is_one_sentence(at):
    with pytest.raises(VibesError, match=r"Option --at is '.*'; give a date"):
        moment_in_log(at, True, "Option --at")


def test_without_timestamps_a_moment_is_a_position():
    assert moment_in_log("17", False) == moment_in_log(17, False) == 17
    for at in ("2024-03-25", None, "1e999", 10**30):
        with pytest.raises(VibesError, match="give a position, a whole number"):
            moment_in_log(at, False)
