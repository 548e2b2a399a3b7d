"""One parser of moments: dates, positions and what people type instead."""

import time
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.errors import VibesError
from listing_vibes.market.moments import moment_in_log, to_moments

NOON = pd.Timestamp("2024-03-25T12:00", tz="UTC").value


@pytest.mark.parametrize(
    "at",
    [
        "2024-03-25T12:00",
        "2024-03-25 14:00+02:00",
        " 25.03.2024 12:00 ",
        pd.Timestamp("2024-03-25T12:00"),
        pd.Timestamp("2024-03-25T13:00", tz="Europe/Berlin"),
        np.datetime64("2024-03-25T12:00"),
        datetime(2024, 3, 25, 12, tzinfo=UTC),
        NOON,
        np.int64(NOON),
    ],
)
def test_a_moment_is_read_in_every_form(at):
    assert moment_in_log(at, timed=True) == NOON


def test_a_day_begins_at_midnight_and_now_is_now():
    assert moment_in_log(date(2024, 3, 25), True) == NOON - 12 * 3600 * 10**9
    assert abs(moment_in_log("now", True) - time.time_ns()) < 5 * 10**9


def test_the_day_of_a_dotted_date_comes_first_as_in_tables():
    for text in ("05.06.2024", "5.6.2024", "2024-06-05", "2024/06/05", "20240605", "05.06.2024, 00:00"):
        moments, _ = to_moments(pd.Series([text]))
        assert moment_in_log(text, True) == moments[0].value == pd.Timestamp("2024-06-05").value
    for text in ("05/06/2024", "31.02.2024", "June 5, 2024", "12:00", "17"):
        with pytest.raises(VibesError, match="give a date such as 2024-03-25"):
            moment_in_log(text, True)


def test_without_timestamps_a_moment_is_a_position():
    assert moment_in_log("17", False) == moment_in_log(17, False) == 17
    with pytest.raises(VibesError, match="Option --at is '2024-03-25'; give a position, a whole number"):
        moment_in_log("2024-03-25", False, "Option --at")


@pytest.mark.parametrize("at", [1712016000, np.int64(1712016000000), 0])
def test_a_number_of_seconds_is_no_moment_of_1970(at):
    with pytest.raises(VibesError, match=rf"at is '{at}', but a whole number is nanoseconds .*; give a date"):
        moment_in_log(at, True)
    assert moment_in_log(at, False) == at


@pytest.mark.parametrize("at", ["", "NaT", "noon", None, float("nan"), [], "9" * 400, 10**30, "1e999"])
@pytest.mark.parametrize("timed", [True, False])
def test_what_is_no_moment_is_said(at, timed):
    with pytest.raises(VibesError, match=r"at is '.*'; give"):
        moment_in_log(at, timed)


@pytest.mark.parametrize("at", ["5000-01-01", "0001-01-01"])
def test_years_that_nanoseconds_do_not_reach_are_named(at):
    with pytest.raises(VibesError, match=f"at is '{at}'; give a date from 1678 to 2261"):
        moment_in_log(at, True)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.dates(), st.datetimes()), st.booleans())
def test_anything_is_a_moment_or_refused(at, timed):
    try:
        found = moment_in_log(at, timed)
    except VibesError as error:
        assert len(str(error)) < 200
    else:
        assert -(2**63) <= found < 2**63
