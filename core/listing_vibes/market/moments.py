"""Parse moments: those of a table's column, and single ones that a user gives."""

import re
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import numpy as np
import pandas as pd

from listing_vibes.market.values import is_textual
from listing_vibes.request_errors import RequestError
from listing_vibes.words import cut

#: A date or time (UTC where it names no zone), "now", or, in a market without timestamps, a position.
Moment: TypeAlias = "str | int | date | np.datetime64 | pd.Timestamp"

#: Nanoseconds in the units of Unix times.
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
#: The range of a market's Unix times in nanoseconds since 1970: 1973 to 2128.
_EARLIEST, _LATEST = 10**17, 5 * 10**18
#: The most characters of a moment; a longer text is none.
LONGEST = 64
#: The usual notation of a single moment, which needs no pandas: 2024-03-25, 2024-03-25T12:00:05.5+02:00.
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Dates in an order other than ISO 8601, and the times that may follow them.
_SLASHED, _DOTTED = r"\d{1,2}/\d{1,2}/\d{4}.*", r"\d{1,2}\.\d{1,2}\.\d{4}.*"
_FIRST, _LAST = pd.Timestamp.min.tz_localize("UTC").ceil("s"), pd.Timestamp.max.tz_localize("UTC").floor("s")


def moment_in_log(at: Moment, timed: bool, name: str = "at") -> int:
    """Return a moment as nanoseconds since 1970 UTC, or a position unchanged.

    For a timed market, an integer is in nanoseconds, as in a log, from 1973 on.

    Args:
        timed: whether the market's events have timestamps.
        name: what the message calls the value, such as "timestamp".

    Raises:
        VibesError: it is not a date (without timestamps: not an integer), is a number of seconds, or is out of the range of nanoseconds.
    """
    expected = (
        "a date such as 2024-03-25 or 2024-03-25T12:00, or now" if timed else "a position, a whole number"
    )
    try:
        if not timed or isinstance(at, int | np.integer):
            number = int(at)  # type: ignore[arg-type]
            if abs(number) < 2**63 and not (timed and number < _EARLIEST):
                return number
        elif isinstance(at, str) and at.strip() == "now":
            return time.time_ns()
        elif isinstance(at, str) and (moment := _iso_moment(at.strip())) is not None:
            return moment
        else:
            moments = to_moments(pd.Series([at], dtype="str" if isinstance(at, str) else None))[0]
            if moments.notna()[0] and _FIRST < moments[0] < _LAST:
                return int(moments[0].value)
            if moments.notna()[0]:
                expected = "a date from 1678 to 2261"
    except (ValueError, TypeError, OverflowError):
        pass
    raise RequestError("bad_value", name=name, value=cut(str(at), 40), expected=expected)


def _iso_moment(text: str) -> int | None:
    """Return the moment of a text such as 2024-03-25T12:00Z in nanoseconds; None for other notations, which pandas reads."""
    if not _ISO.fullmatch(text):
        return None
    with suppress(ValueError):  # 24:00, the 30th of February
        parsed = datetime.fromisoformat(text)
        moment = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed
        nanoseconds = (moment - _EPOCH) // timedelta(microseconds=1) * 1000
        return nanoseconds if _FIRST.value < nanoseconds < _LAST.value else None
    return None


def to_moments(column: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Return the UTC moments of a column: ISO dates and times, 20240131, Unix times, 31.01.2024 18:05, and 01/31/2024 6:05 PM.

    A Unix time has the unit in which it lies between 1973 and 2128, else that in which most of its column do. Moments outside the range of 64-bit
    nanoseconds (the years 1677 to 2262) are clipped to it. 01/03/2024 is bad where no cell of the column shows whether the day comes
    first.

    Returns:
        moments (N,) datetime64[ns, UTC], and bad (N,) bool: the cell is present but is not a moment.
    """
    if pd.api.types.is_bool_dtype(column.dtype):  # as numbers they would be two seconds of 1970
        moments = pd.Series(pd.NaT, column.index, dtype="datetime64[ns, UTC]")
    elif is_textual(column):
        moments = _parse_texts(column.astype("str").where(column.notna()))
    elif pd.api.types.is_datetime64_any_dtype(column.dtype):
        moments = pd.to_datetime(column, utc=True)
    else:
        moments = _from_numbers(pd.to_numeric(column, errors="coerce").astype("float64"))
    moments = moments.clip(_FIRST, _LAST).astype("datetime64[ns, UTC]")
    return moments, (moments.isna() & column.notna()).to_numpy(copy=True)


def _parse_texts(texts: pd.Series) -> pd.Series:
    texts = texts.str.strip()
    texts = texts.where(texts.str.len() <= LONGEST)
    numbers = pd.to_numeric(texts, errors="coerce").astype("float64")
    if 2 * numbers.notna().sum() > texts.notna().sum():
        return _from_numbers(numbers)
    is_utc = texts.str.endswith(" UTC").fillna(False).astype(bool)  # as BigQuery writes it
    iso = texts.mask(is_utc, texts.str.removesuffix("UTC").str.strip() + "Z") if is_utc.any() else texts
    moments = pd.to_datetime(iso, utc=True, errors="coerce", format="ISO8601")
    for pattern in (_DOTTED, _SLASHED) if (moments.isna() & iso.notna()).any() else ():
        rest = iso[moments.isna() & iso.str.fullmatch(pattern).fillna(False).astype(bool)]
        # Which of the first two numbers is a day; it is known for dots only.
        first, second = (rest.str.extract(r"^(\d+).(\d+)").astype("int64") > 12).any().tolist()
        if pattern == _DOTTED or first != second:
            day_first = pattern == _DOTTED or first
            parsed = pd.to_datetime(rest, utc=True, errors="coerce", format="mixed", dayfirst=day_first)
            moments = moments.fillna(parsed)
    return moments


def _from_numbers(numbers: pd.Series) -> pd.Series:
    """Return the moments of Unix times, or of days such as 20240131."""
    numbers = numbers.where(np.isfinite(numbers))
    typical = float(numbers.abs().median())
    if 1900_01_01 <= typical <= 2100_12_31:
        days = numbers.where(numbers % 1 == 0).astype("Int64").astype("str")
        return pd.to_datetime(days, format="%Y%m%d", utc=True, errors="coerce")
    typical_unit = next((u for u, size in _UNITS.items() if _EARLIEST <= typical * size <= _LATEST), None)
    moments = pd.Series(pd.NaT, numbers.index, dtype="datetime64[ns, UTC]")
    if typical_unit is None:
        return moments
    units = pd.Series(typical_unit, numbers.index)  # a table that was joined from two sources may have two
    for unit, size in _UNITS.items():
        units = units.mask(numbers.between(_EARLIEST / size, _LATEST / size), unit)
    for unit in units.unique():
        moments = moments.fillna(
            pd.to_datetime(numbers.where(units == unit), unit=unit, utc=True, errors="coerce")
        )
    return moments
