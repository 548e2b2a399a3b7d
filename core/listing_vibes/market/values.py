"""Convert cells to values: identifiers, which are also looked up and sorted, numbers, flags and sets; and sample rows."""

import ast
import csv
import gc
import json
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: The default separator of set members in a cell, without a setting in market.toml.
SEPARATOR = "|"
FLAGS = {"t": True, "true": True, "yes": True, "y": True, "f": False, "false": False, "no": False, "n": False}
_YES_OR_NO = {**FLAGS, "1": True, "0": False, "1.0": True, "0.0": False}
#: Codes of the signs that stand for exactly one currency.
SIGNS = {"€": "EUR", "£": "GBP", "US$": "USD", "S$": "SGD", "A$": "AUD", "C$": "CAD"}
#: A currency before or after an amount.
CURRENCY = r"(?:[A-Z]{0,2}\$|[€£¥]|USD|EUR|GBP|CHF|JPY|AUD|CAD|SGD)"
#: Possible thousands separators other than the point: a comma, an apostrophe, a space.
_GROUP = "[,'’ \u00a0\u202f]"
_GROUPED = rf"[-+]?\d{{1,3}}(?:{_GROUP}\d{{3}})+(?:\.\d*)?"
#: Swaps comma and point.
_SWAP = str.maketrans(",.", ".,")
#: Cells with decimals for sure: 20.5, 0.125, 1,234.500, 1,234,567; and ambiguous cells: 1,234 and 1.234.
_DECIDED = r"\d\.\d{1,2}(?:\D|$)|\d\.\d{4}|(?:^|\D)0?\.\d|\d,\d{3}\.\d|\d,\d{3},\d{3}"
_AMBIGUOUS = r"\D*[1-9]\d{0,2}[.,]\d{3}\D*"
_LONGEST = 40  # maximum length of a number
_WHOLE = re.compile(r"(-?\d+)\.0+")
_IN_BRACES = re.compile(r"\{[^{}]*\}")


def is_textual(column: pd.Series) -> bool:
    """Return whether a column holds strings (or mixed objects)."""
    return bool(pd.api.types.is_string_dtype(column.dtype) or column.dtype == object)


def id_text(cell: object) -> str | None:
    """Return an identifier of any type as the string that is compared; None where it is missing.

    Whole numbers have no decimals, whatever their type: `12`, `12.0`, `Decimal("12.00")` and `" 12.00 "` are all "12".
    """
    if pd.api.types.is_scalar(cell) and bool(pd.isna(cell)):
        return None
    if isinstance(cell, Decimal) and cell.is_finite() and cell % 1 == 0:
        return str(int(cell))
    text = str(cell).strip()
    full = _WHOLE.fullmatch(text)
    return full[1] if full else text


def as_ids(column: pd.Series) -> pd.Series:
    """Return identifiers as strings: `id_text` of each cell."""
    if column.dtype == object:
        return column.map(id_text).astype("str")
    texts = column.astype("str").where(column.notna()).astype("str").str.strip()
    full = texts.str.fullmatch(_WHOLE.pattern).fillna(False).astype(bool)
    return texts.mask(full, texts.str.replace(r"\.0+$", "", regex=True)) if full.any() else texts


def rows_in(ids: pd.Series, values: Any) -> np.ndarray:
    """Return (N,) int32: the position of each of the strings `ids` (N,) among the distinct strings `values` (L,); -1: none."""
    if len(ids) < len(values):  # the smaller set becomes the hash table
        codes, distinct = pd.factorize(ids)  # -1: missing
        existing = pc.index_in(_arrow(values), value_set=_arrow(distinct)).fill_null(-1).to_numpy()  # (L,)
        place = np.full(len(distinct) + 1, -1, np.int32)
        place[existing] = np.arange(len(existing), dtype=np.int32)
        place[-1] = -1  # unknown or missing
        return np.asarray(place[codes])
    places = pc.index_in(_arrow(ids), value_set=_arrow(values)).fill_null(-1)
    return np.array(places.to_numpy(), np.int32)  # a copy: Arrow's buffer is read-only


def sample_rows(rows: int | np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` of `rows` (n,), or of the numbers below `rows`, in order; the same ones each time."""
    rows = np.arange(rows) if isinstance(rows, int) else rows
    return rows if len(rows) <= most else np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def by_user_and_time(users: pd.Series, time: np.ndarray) -> np.ndarray | None:
    """Return (N,) the order by user (N,), by code points, then `time` (N,), stably; None: they are sorted already.

    No user may be missing.
    """
    return order_of(pd.factorize(users, sort=True)[0], time)


def order_of(user: np.ndarray, time: np.ndarray) -> np.ndarray | None:
    """Return (N,) the order by the numbers `user` (N,), then `time` (N,), stably; None: they are sorted already."""
    later = user[1:] > user[:-1]
    later |= (user[1:] == user[:-1]) & (time[1:] >= time[:-1])
    return None if later.all() else np.lexsort((time, user))


def _arrow(strings: Any) -> Any:
    """Return Arrow strings with 64-bit offsets, which are much faster than Python objects for millions of events."""
    return pa.array(pd.Series(strings, dtype="str"), from_pandas=True).cast(pa.large_string())


def to_numbers(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Parse the numbers of a column as `pandas.to_numeric` does, without currencies and thousands separators; time spans in seconds.

    Returns:
        values (N,) float64 with NaN where missing, and bad (N,) bool: the cell is present but is not a finite number.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        values = np.full(len(column), np.nan)
    elif pd.api.types.is_timedelta64_dtype(column.dtype):
        values = column.dt.total_seconds().to_numpy(copy=True)
    elif not is_textual(column):
        values = pd.to_numeric(column, errors="coerce").astype("float64").to_numpy(copy=True)
    else:  # parse each distinct text once
        codes, distinct = pd.factorize(column.astype("str").where(column.notna()))
        values = np.append(_parse_amounts(pd.Series(distinct, dtype="str")), np.nan)[codes]
    bad = column.notna().to_numpy(bool) & ~np.isfinite(values)
    values[bad] = np.nan
    return values, bad


def _parse_amounts(texts: pd.Series) -> np.ndarray:
    texts = texts.where(texts.str.len() <= _LONGEST)
    values = pd.to_numeric(texts, errors="coerce").to_numpy("float64", copy=True)
    other = np.isnan(values) & texts.notna().to_numpy(bool)
    if other.any():
        values[other] = _parse_notations(texts[other])
    return np.asarray(values)


def _parse_notations(texts: pd.Series) -> np.ndarray:
    """Return the values of amounts with a currency, a percent sign or thousands separators; NaN for other texts."""
    texts = texts.str.strip().str.replace("−", "-", regex=False)
    texts = texts.str.replace(rf"^([-+]?)\s*{CURRENCY}\s*", r"\1", regex=True)
    texts = texts.str.replace(rf"(?:{CURRENCY}|%)$", "", regex=True).str.strip()
    grouped = texts.str.fullmatch(_GROUPED).to_numpy(bool, na_value=False)
    texts = texts.mask(grouped, texts.str.replace(_GROUP, "", regex=True))
    return np.asarray(pd.to_numeric(texts, errors="coerce").to_numpy("float64", copy=True))


def is_ambiguous(column: pd.Series) -> np.ndarray:
    """Return (N,) bool: the cells such as 1,234 and 1.234, where no cell of the column says whether these are decimals."""
    if not is_textual(column):
        return np.zeros(len(column), bool)
    if column.dtype == object:  # lists are not parsed
        column = column.map(lambda cell: cell if isinstance(cell, str) else None)
    texts = column.astype("str")
    is_unclear = np.asarray(
        texts.str.fullmatch(_AMBIGUOUS).to_numpy(bool, na_value=False)
    ) & column.notna().to_numpy(bool)
    if (
        is_unclear.any()
        and texts.str.strip().str[:_LONGEST].str.contains(_DECIDED).to_numpy(bool, na_value=False).any()
    ):
        return np.zeros(len(column), bool)
    return np.asarray(is_unclear)


def with_point(cell: str) -> str:
    """Convert a number with a decimal comma to one with a decimal point; leave one with a decimal point as it is.

    >>> with_point("1.234,50"), with_point("1.200"), with_point("20.5")
    ('1,234.50', '1,200', '20.5')
    """
    has_point = re.search(r"\d\.(?:\d{1,2}|\d{4,})(?!\d|\.)", cell)
    return cell if has_point or not re.search(r"\d[.,]\d", cell) else cell.translate(_SWAP)


def with_points(column: pd.Series) -> pd.Series:
    """Return a column with `with_point` applied to its text cells."""
    if not is_textual(column):
        return column
    return column.map(lambda cell: with_point(cell) if isinstance(cell, str) else cell)


def to_flags(column: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Parse the booleans of a column (t/f, yes/no, true/false, 0/1); also return which cells are present but are not booleans."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.astype("boolean"), np.zeros(len(column), bool)
    words = column.astype("str").str.strip().str.lower().map(_YES_OR_NO)
    flags = words.where(column.notna()).astype("boolean")
    return flags, (flags.isna() & column.notna()).to_numpy(copy=True)


def to_set(cell: Any, separator: str = SEPARATOR) -> list[str] | None:
    """Parse a set: from a list, a list in JSON or Python syntax, a PostgreSQL array such as {a,"b c"}, or text with
    separators; None where it is missing.
    """
    if isinstance(cell, str):
        members = _split_text(cell.strip(), separator)
    elif isinstance(cell, Iterable):
        members = list(cell)
    elif pd.isna(cell):
        return None
    else:
        members = [cell]
    # A million sets have few distinct members: each is one string in memory.
    texts = [sys.intern(str(member).strip()) for member in members if not _is_missing(member)]
    return [text for text in dict.fromkeys(texts) if text]


def _is_missing(member: Any) -> bool:
    return member is None or member is pd.NA or (isinstance(member, float) and np.isnan(member))


def _split_text(text: str, separator: str) -> list[Any]:
    if text.startswith("["):
        for parse in (json.loads, ast.literal_eval):
            try:
                with warnings.catch_warnings(action="ignore"):  # invalid escape sequences
                    members = parse(text)
                    if isinstance(members, list):
                        # `str` fails on an integer of 5,000 digits.
                        return [member if _is_missing(member) else str(member) for member in members]
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                continue
        return text.strip("[]").split(",")
    if _IN_BRACES.fullmatch(text) and ":" not in text:  # a JSON object is one member
        return next(csv.reader([text[1:-1]], escapechar="\\", skipinitialspace=True), [])
    return text.split(separator)


def to_sets(column: pd.Series, separator: str = SEPARATOR) -> list[list[str] | None]:
    """Return `to_set` of each cell; equal texts are parsed once, and each cell has a separate list."""
    with no_garbage_collection():
        if column.dtype == object:  # lists cannot be keys
            return [to_set(cell, separator) for cell in column]
        codes, distinct = pd.factorize(column)
        sets = [*(to_set(cell, separator) for cell in distinct), None]  # -1, the last: missing
        return [None if sets[code] is None else [*sets[code]] for code in codes.tolist()]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Disable garbage collection in this context: while a million lists are created, Python would traverse all existing ones
    again and again, for three quarters of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
