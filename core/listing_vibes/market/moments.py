"""Moments: those of a column as its cells are written, and one as people give it, in the time of a log."""

from __future__ import annotations

import re
import time
from datetime import date
from typing import TypeAlias

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.values import is_textual
from listing_vibes.words import cut

#: A date or time (UTC where it names no zone), "now", or, in a market without timestamps, a position.
Moment: TypeAlias = "str | int | date | np.datetime64 | pd.Timestamp"

_STAMPS = (
    (19000101, 21001231, "%Y%m%d"),
    (190001010000, 210012312359, "%Y%m%d%H%M"),
    (19000101000000, 21001231235959, "%Y%m%d%H%M%S"),
)
#: Days of when a listing can be had that no Unix time is: years, months, and what a spreadsheet counts (of 1954 to 2119).
_YEARS = ((1900, 2100, "%Y"), (190001, 210012, "%Y%m"))
_SERIAL = (20_000, 80_000)
_ZONE = re.compile(r"(?<!\s)\s*(?:\[?UTC\]?|GMT|Z\[UTC\])$")
_UNIX_UNITS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (0.0, "s"))  # 1e11 seconds are beyond the year 5000
#: A day or a month, the other one and the year, with points or slashes between them, and maybe a time.
_MARKED = re.compile(
    r"^(\d{1,2})([./])(\d{1,2})\2(\d{4})(?:[T,\s]+(\d{1,2})(:\d{2}(?::\d{2}(?:\.\d+)?)?)(?:\s?([AP])\.?M\.?)?\s?Z?)?$",
    re.IGNORECASE,
)
_FIRST, _LAST = pd.Timestamp.min.tz_localize("UTC").ceil("s"), pd.Timestamp.max.tz_localize("UTC").floor("s")
#: What begins with its year; of all else, such as 05/06/2024, pandas takes the first number for the month.
_YEAR_FIRST = re.compile(r"\d{4}(?:[-/]\d|\d{4}|$)", re.ASCII)


def moment_in_log(at: Moment, timed: bool, name: str = "at") -> int:
    """Nanoseconds since 1970 UTC, or a position as it is.

    Of a timed market a whole number is nanoseconds, as a log has them, of 1973 or later.

    Args:
        timed: whether the market's events have timestamps.
        name: what the sentence calls the value, such as "Option --at".

    Raises:
        VibesError: it is no date (or, without timestamps, no whole number), is a number of seconds, or lies beyond what nanoseconds reach.
    """
    try:
        if not timed:
            return _bounded(int(at))  # type: ignore[arg-type]
        if isinstance(at, int | np.integer):
            if abs(int(at)) < _UNIX_UNITS[0][0]:  # a Unix time in another unit would be a moment of 1970
                raise VibesError(
                    f"{name} is '{at}', but a whole number is nanoseconds since 1970 where events have timestamps; give a date such as "
                    "2024-03-25T12:00, or nanoseconds."
                )
            return _bounded(int(at))
        if isinstance(at, str) and at.strip() == "now":
            return time.time_ns()
        found = pd.Timestamp(_year_first(at.strip()) if isinstance(at, str) else at)
        if not pd.isna(found):
            found = found.tz_localize("UTC") if found.tzinfo is None else found
            return int(found.as_unit("ns").value)
    except pd.errors.OutOfBoundsDatetime:
        raise VibesError(f"{name} is '{cut(str(at), 40)}'; give a date from 1678 to 2261.") from None
    except (ValueError, TypeError, OverflowError):
        pass
    wanted = (
        "a date such as 2024-03-25 or 2024-03-25T12:00, or now" if timed else "a position, a whole number"
    )
    raise VibesError(f"{name} is '{cut(str(at), 40)}'; give {wanted}.")


def _year_first(text: str) -> str:
    """A date as the cells of a table have it (`to_moments`): one that is dotted, whose day comes first, is turned round."""
    if (found := _MARKED.fullmatch(text)) and found[2] == "." and not found[7]:
        day, _, month, year, hour, rest, _ = found.groups()
        return f"{year}-{month:0>2}-{day:0>2}" + (f"T{hour:0>2}{rest}" if hour else "")
    if not _YEAR_FIRST.match(text):
        raise ValueError
    return text


def _bounded(number: int) -> int:
    if not abs(number) < 2**63:
        raise ValueError
    return number


def to_moments(
    column: pd.Series, days: bool = False, whole: bool = False, day_first: bool | None = None
) -> tuple[pd.Series, np.ndarray]:
    """UTC moments of a column: ISO dates and times, 31.01.2024 18:05, 20240131, 20240131180500, or a Unix time in s, ms, us or ns.

    Moments beyond what 64-bit nanoseconds hold (the years 1677 to 2262) are moved to that bound.

    Args:
        days: none is of the first days of 1970, as seconds since some start of one's own are: 2023 is a year, 202401 a month, both
            as they begin, and 45300.5, as spreadsheets count days, no moment.
        whole: the column is all of a table's, so that it says whether the day or the month comes first in 01/03/2024 (`says_day_first`).
            Where it does not, as in single rows, such cells are no moments; 24/03/2024 leaves no doubt anywhere.
        day_first: which of the two comes first where the column is not `whole`, if that is known.

    Returns:
        moments (N,) datetime64[ns, UTC], and bad (N,) bool: a cell was there but held no moment.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        moments = pd.to_datetime(column, utc=True)
    elif pd.api.types.is_bool_dtype(column.dtype):  # as numbers they would be two seconds of 1970
        moments = pd.Series(pd.NaT, column.index, dtype="datetime64[ns, UTC]")
    else:
        numbers = pd.to_numeric(column, errors="coerce").astype("float64")
        finite = numbers[np.isfinite(numbers)]
        if len(finite) and len(finite) >= column.notna().sum() / 2:
            typical, numbers = float(finite.abs().median()), numbers.where(np.isfinite(numbers))
            if days and _SERIAL[0] <= typical <= _SERIAL[1]:
                moments = pd.Series(pd.NaT, column.index, dtype="datetime64[ns, UTC]")
            else:
                moments = _from_numbers(numbers, typical, (_YEARS if days else ()) + _STAMPS)
        else:
            if is_textual(column):  # as BigQuery writes them: 2024-03-01 10:00:00 UTC
                column = column.where(column.isna(), column.astype("str").str.replace(_ZONE, "Z", regex=True))
            moments = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
            moments = moments.fillna(_marked(column[moments.isna() & column.notna()], whole, day_first))
    moments = moments.clip(_FIRST, _LAST).astype("datetime64[ns, UTC]")
    return moments, (moments.isna() & column.notna()).to_numpy(copy=True)


def says_day_first(column: pd.Series) -> bool | None:
    """Whether the day comes first in cells such as 01/03/2024 of a column: what is above 12 anywhere is a day; None where nothing
    tells."""
    if not is_textual(column):
        return None
    slashed = column.astype("str").str.contains(
        "/", regex=False, na=False
    )  # of millions of others nothing is taken apart
    return _order(*_sure(_parts(column[slashed.to_numpy(bool)])))


def _parts(cells: pd.Series) -> pd.DataFrame:
    """Day, mark, month, year, hour, the rest, AM or PM of cells such as 31.01.2024 18:05; day and month maybe the other way round."""
    return cells.astype("str").str.strip().str.extract(_MARKED)


def _sure(parts: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Which cells with slashes have the day first for sure, and which the month."""
    slashed, one, two = parts[1] == "/", pd.to_numeric(parts[0]), pd.to_numeric(parts[2])
    return slashed & one.between(13, 31) & (two <= 12), slashed & two.between(13, 31) & (one <= 12)


def _order(days: pd.Series, months: pd.Series) -> bool | None:
    return bool(days.any()) if days.any() != months.any() else None


def _marked(cells: pd.Series, whole: bool, day_first: bool | None) -> pd.Series:
    """Moments of days such as 31.01.2024, in which the day comes first wherever they are written, and of those with slashes of
    which a cell itself, the `whole` column or `day_first` says what comes first; others are missing."""
    parts = _parts(cells)
    days, months = _sure(parts)
    if whole:
        day_first = _order(days, months)
        if day_first is None:  # one of two contradicting cells is a slip, and any other may be
            days = months = days & False
    open_ = (parts[1] == "/") & ~days & ~months
    turned = months | open_ if day_first is False else months
    day, month = parts[0].where(~turned, parts[2]), parts[2].where(~turned, parts[0])
    if day_first is None:
        day = day.where(~open_)
    hour, half = parts[4], parts[6].str.upper()
    if half.notna().any():
        clock = pd.to_numeric(hour)
        clock = (clock % 12 + 12 * (half == "P")).where(clock.between(1, 12), 99)  # 13 PM is none
        hour = hour.where(half.isna(), clock.astype("int64").astype("str"))
    dates = parts[3] + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
    times = hour.str.zfill(2).add(parts[5]).radd("T").fillna("")
    return pd.to_datetime(dates + times, utc=True, errors="coerce", format="ISO8601")


def _from_numbers(numbers: pd.Series, typical: float, stamps: tuple[tuple[int, int, str], ...]) -> pd.Series:
    # As Unix times these would be a few weeks of 1970, months of 1976 and the years 2572 to 2636.
    written = next((form for low, high, form in stamps if low <= typical <= high), None)
    if written is not None:
        figures = len(pd.Timestamp(0).strftime(written))
        whole = numbers.where((numbers % 1 == 0) & numbers.between(0, 10**figures - 1))
        days = whole.astype("Int64").astype("str").where(whole.notna())
        return pd.to_datetime(days, format=written, utc=True, errors="coerce")
    unit = next(unit for least, unit in _UNIX_UNITS if typical >= least)
    return pd.to_datetime(numbers, unit=unit, utc=True, errors="coerce")
