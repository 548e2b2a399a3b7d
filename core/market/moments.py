"""A moment as people give it, in the time of a log."""

from __future__ import annotations

import re
import time
from datetime import date
from typing import TypeAlias

import numpy as np
import pandas as pd

from core.errors import VibesError
from core.market.values import MARKED
from core.words import cut

#: A date or time (UTC where it names no zone), "now", or, in a market without timestamps, a position.
Moment: TypeAlias = "str | int | date | np.datetime64 | pd.Timestamp"

#: What begins with its year; of all else, such as 05/06/2024, pandas takes the first number for the month.
_YEAR_FIRST = re.compile(r"\d{4}(?:[-/]\d|\d{4}|$)", re.ASCII)


def moment_in_log(at: Moment, timed: bool, name: str = "at") -> int:
    """Nanoseconds since 1970 UTC, or a position as it is.

    Of a timed market a whole number is nanoseconds, as a log has them.

    Args:
        timed: whether the market's events have timestamps.
        name: what the sentence calls the value, such as "Option --at".

    Raises:
        VibesError: it is no date (or, without timestamps, no whole number), or lies beyond what nanoseconds reach.
    """
    try:
        if not timed:
            return _bounded(int(at))  # type: ignore[arg-type]
        if isinstance(at, int | np.integer):
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
    if (found := MARKED.fullmatch(text)) and found[2] == "." and not found[7]:
        day, _, month, year, hour, rest, _ = found.groups()
        return f"{year}-{month:0>2}-{day:0>2}" + (f"T{hour:0>2}{rest}" if hour else "")
    if not _YEAR_FIRST.match(text):
        raise ValueError
    return text


def _bounded(number: int) -> int:
    if not abs(number) < 2**63:
        raise ValueError
    return number
