"""Cells to values: identifiers, numbers, flags, sets, moments."""

import ast
import csv
import json
import re
import warnings
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.market.garbage import none_meanwhile

#: What parts the members of a set in a cell, where market.toml does not say.
SEPARATOR = "|"
FLAGS = {"t": True, "true": True, "yes": True, "y": True, "f": False, "false": False, "no": False, "n": False}
_YES_OR_NO = {**FLAGS, "1": True, "0": False, "1.0": True, "0.0": False}
#: Codes of the signs that are of one currency alone.
SIGNS = {
    "€": "EUR",
    "£": "GBP",
    "US$": "USD",
    "S$": "SGD",
    "A$": "AUD",
    "C$": "CAD",
    "₹": "INR",
    "₺": "TRY",
    "฿": "THB",
    "₱": "PHP",
    "ZŁ": "PLN",
}
# An optional currency, a number whose thousands may be parted (so never the decimal comma of "1,5"), an optional unit.
# Codes ("A12", "12B"), multiples ("10k", "3 million") and units that no market had are no such numbers: `hints` says what to do.
CURRENCY = r"(?:[A-Z]{0,3}\s?[$€£¥₩₹₽₺₪฿₫₴₦₱]|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SGD|NZD|HKD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR|AED|SAR|TRY|MYR|IDR|THB|PHP|zł|ZŁ|Rs\.?)"
_NUMBER = r"(?:\d{1,3}(?:[,'’\s]\d{2,3})*[,'’\s]\d{3}(?:\.\d+)?|\d++(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
#: A unit in small letters; in capitals it may be a multiple ("2 MM"), a state ("12 NY") or half a day ("3 PM").
_UNIT = r"(?:%|°[CF]?|[ckm]?m[23²³]?|ft[2²]?|sq\.?\s?(?:ft|m)\.?|min|kg|\s(?!mi[lo]|mln|mrd|bill|bn|thou|tsd|tis|tys)[a-z]{2,8}|/\s?[a-z]{1,8}[23²³]?)"
_AMOUNT = re.compile(
    rf"^(?P<sign>[-+]?)\s*(?:{CURRENCY})?\s*(?P<bare>[-+]?{_NUMBER})(?:\.-)?\s?(?:{CURRENCY})?(?:\s?{_UNIT})?$"
)
#: Comma and point in each other's place.
_SWAP = str.maketrans(",.", ".,")
#: A point that cannot part thousands, as in 20.5 and 1,234.50.
_PARTED = re.compile(r"\d[.,][\d-]")
_DECIMAL_POINT = re.compile(r"\d\.(?:\d{1,2}|\d{4,})(?!\d|\.)")
_TEXT = {str}
_WHOLE = re.compile(r"(-?\d+)\.0+")
#: A tuple or set of words as Python writes it; what it holds is in the order of the text once it is read as a list.
_OF_PYTHON = re.compile(r"\((['\"]).*\1,?\)|\{'[^{}]*['\"]\}|\{\"[^{}]*'\}", re.DOTALL)
#: Where a member of a list begins with a quotation mark.
_QUOTED = re.compile(r"[\[,]\s*['\"]")
#: Between the words of an array.
_APART = re.compile(r"(?<=['\"])\s+(?=['\"])")
#: A member of a list as numpy writes it, np.str_('a b') or np.int64(1); and nothing, as Python does not read it.
_OF_NUMPY = re.compile(r"""\bnp\.\w+\(('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^()'"]*)\)""")
_NAN = re.compile(r"(?<=[\[,\s])nan(?=\s*[,\]])")
#: What calls an object of a list.
_CALLED = ("name", "label", "title")
_IN_BRACES = re.compile(r"\{[^{}]*\}")


def is_textual(column: pd.Series) -> bool:
    """True for columns of strings (or of mixed objects that are not lists)."""
    return pd.api.types.is_string_dtype(column.dtype) or column.dtype == object


def of_bytes(column: pd.Series) -> pd.Series:
    """The same column; of cells of bytes, as Parquet holds them, the text that they are, or else their hexadecimal figures."""
    if column.dtype != object or pd.api.types.infer_dtype(column, skipna=True) not in ("bytes", "mixed"):
        return column
    told = column.map(_text_of, na_action="ignore")
    return told.astype("str") if pd.api.types.infer_dtype(told, skipna=True) == "string" else told


def _text_of(cell: Any) -> Any:
    if not isinstance(cell, bytes):
        return cell
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:  # a UUID, a geometry
        return cell.hex()


def id_text(cell: object) -> str | None:
    """Return an identifier of any type as the string that is compared; None where it is missing.

    Whole numbers have no decimals, whatever holds them: `12`, `12.0`, `Decimal("12.00")`, `" 12.00 "` and `b"12"` are all "12".
    """
    if pd.api.types.is_scalar(cell) and bool(pd.isna(cell)):
        return None
    if isinstance(cell, Decimal) and cell.is_finite() and cell % 1 == 0:
        return str(int(cell))
    text = str(_text_of(cell)).strip()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def as_ids(column: pd.Series) -> pd.Series:
    """Return identifiers as strings: `id_text` of each cell, whatever the other cells hold."""
    if column.dtype == object:
        return column.map(id_text).astype("str")
    present = column.notna()
    if pd.api.types.is_float_dtype(column.dtype) and _all_whole(column[present]):
        column = column.astype("Int64")  # the same words, in a third of the time
    words = column if column.dtype == "str" else column.astype("str").where(present).astype("str")
    if not pd.api.types.is_integer_dtype(column.dtype):
        words = words.str.strip()
        decimals = words.str.endswith("0").fillna(False).to_numpy(bool, copy=True)
        if decimals.any():
            decimals[decimals] = words[decimals].str.fullmatch(_WHOLE).to_numpy(bool)
            words = words.where(~decimals, words.str.rstrip("0").str.removesuffix("."))
    return words


def _all_whole(numbers: pd.Series) -> bool:
    return bool(((numbers % 1 == 0) & (numbers.abs() < 2**53)).all())


def to_numbers(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a column, reading `$1,200.00`, `1 200 m2` and `95%`; spans of time are seconds, dates no numbers.

    Returns:
        values (N,) float64 with NaN where missing, and bad (N,) bool: a cell was there but held no finite number.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        values, bad = np.full(len(column), np.nan), column.notna().to_numpy(copy=True)
    elif pd.api.types.is_timedelta64_dtype(column.dtype):
        values, bad = column.dt.total_seconds().to_numpy(copy=True), np.zeros(len(column), bool)
    elif not is_textual(column):
        values = pd.to_numeric(column, errors="coerce").astype("float64").to_numpy(copy=True)
        bad = np.isinf(values)
    elif column.dtype == object:
        values, bad = _amounts(column)
    else:  # what a city or a colour is called need not be tried a hundred thousand times
        of, distinct = pd.factorize(column)  # (N,) -1 where missing
        values, bad = (
            np.append(found, nothing)[of]
            for found, nothing in zip(_amounts(pd.Series(distinct)), (np.nan, False), strict=True)
        )
    values[bad] = np.nan
    return values, bad


def _amounts(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Cells of words, one by one; see `to_numbers`."""
    values = pd.to_numeric(column, errors="coerce").astype("float64").to_numpy(copy=True)
    present = column.notna().to_numpy()
    unread = np.flatnonzero(present & np.isnan(values))
    for row, cell in zip(unread.tolist(), column.iloc[unread], strict=True):
        text = str(cell).strip()
        if match := _AMOUNT.match(text.replace("−", "-")):
            sign, bare = match["sign"], match["bare"]
            if sign and bare[0] in "+-":  # "--5"
                continue
            number = float(re.sub(r"[,'’\s]", "", bare))
            values[row] = -number if sign == "-" else number
    return values, (present & np.isnan(values)) | np.isinf(values)


def with_point(cell: str) -> str:
    """Return a number that is written with a decimal comma as one with a point; one whose point cannot part thousands as it is.

    >>> with_point("1.234,50"), with_point("1.200"), with_point("20.5")
    ('1,234.50', '1,200', '20.5')
    """
    return cell if _DECIMAL_POINT.search(cell) or not _PARTED.search(cell) else cell.translate(_SWAP)


def with_points(column: pd.Series) -> pd.Series:
    """Return a column with `with_point` of its cells of text."""
    if not is_textual(column):
        return column
    return column.map(lambda cell: with_point(cell) if isinstance(cell, str) else cell)


def to_flags(column: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Booleans of a column (t/f, yes/no, true/false, 0/1); also which cells were there but held none."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.astype("boolean"), np.zeros(len(column), bool)
    words = column.astype("str").str.strip().str.lower().map(_YES_OR_NO)
    flags = words.where(column.notna()).astype("boolean")
    return flags, (flags.isna() & column.notna()).to_numpy(copy=True)


def to_set(cell: Any, separator: str = SEPARATOR) -> list[str] | None:
    """Members of a `multi` cell: a list, a JSON list, {a,"b c"} as of PostgreSQL, or words parted by `separator`; None where missing."""
    if cell is None or _is_nan(cell) or cell is pd.NA:
        return None
    if isinstance(cell, str):
        text = cell.strip()
        if text.startswith("["):
            cell = _listed(text)
            if cell is None:
                cell = text.strip("[]").replace("'", "").replace('"', "").split(",")
        elif _OF_PYTHON.fullmatch(text) and (found := _listed(f"[{text[1:-1]}]")) is not None:
            cell = found
        elif _IN_BRACES.fullmatch(text) and not _is_object(text):
            quote = '"' if '"' in text else "'"
            cell = next(csv.reader([text[1:-1]], quotechar=quote, escapechar="\\", skipinitialspace=True), [])
        else:
            cell = text.split(separator)
    elif not isinstance(cell, Iterable):
        cell = [cell]
    there = [one for one in cell if one is not None and one is not pd.NA and not _is_nan(one)]
    members = dict.fromkeys(str(member).strip() for member in named(there))
    return [member for member in members if member]


def _is_nan(cell: Any) -> bool:
    return isinstance(cell, float | np.floating) and bool(np.isnan(cell))


def named(members: Iterable[Any]) -> list[Any]:
    """The members of a list; of objects their names, where all have one.

    >>> named([{"name": "Pool", "paid": True}, {"name": "Lift"}]), named([{"paid": True}])
    (['Pool', 'Lift'], [{'paid': True}])
    """
    found = list(members)
    if not found or not all(isinstance(member, dict) for member in found):
        return found
    key = next((key for key in _CALLED if all(isinstance(member.get(key), str) for member in found)), None)
    return found if key is None else [member[key] for member in found]


def _listed(text: str) -> list[Any] | None:
    """What stands in a list as JSON or Python writes it, or pandas an array; None where it is none.

    >>> _listed("['cut, then fry', 'salt']"), _listed("['a' 'b']"), _listed("[hot, cold]")
    (['cut, then fry', 'salt'], ['a', 'b'], None)
    """
    if (found := _of_json(text)) is not None:
        return found
    if not _QUOTED.search(text):  # words without quotes, which Python need not be asked about
        if "np." in text and (bare := _OF_NUMPY.sub(r"\1", text)) != text:
            return _listed(bare)
        return _of_json(_NAN.sub("NaN", text)) if "nan" in text else None
    text = _APART.sub(", ", text)  # which Python would read as one word
    # Most lists of Python differ from JSON by their quotes alone, and which is quicker than to parse Python.
    if '"' not in text and "\\" not in text and (found := _of_json(text.replace("'", '"'))) is not None:
        return found
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a backslash that means nothing
            found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        bare = _NAN.sub("None", text)
        bare = _OF_NUMPY.sub(r"\1", text) if bare == text else bare
        return None if bare == text else _listed(bare)
    return found if isinstance(found, list) else None


def _of_json(text: str) -> list[Any] | None:
    try:
        return list(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _is_object(text: str) -> bool:
    try:
        return bool(json.loads(text))
    except (ValueError, RecursionError):
        return False


def to_sets(column: Iterable[Any], separator: str = SEPARATOR) -> list[list[str] | None]:
    """`to_set` of many cells: what several of them say alike is read once, and each has a list of its own."""
    read: dict[Any, list[str]] = {}  # of text, and of tuples of text alone
    found: list[list[str] | None] = []
    with none_meanwhile():
        for cell in column:
            members = cell.tolist() if isinstance(cell, np.ndarray) and cell.ndim == 1 else cell
            key = tuple(members) if isinstance(members, list) else members
            try:
                known = read.get(key)
            except TypeError:  # a list in a list
                known = None
            if known is None:
                # Only text reads alike where it is equal; 1, 1.0 and True do not.
                if not isinstance(key, str) and not (
                    isinstance(key, tuple) and _TEXT.issuperset(map(type, key))
                ):
                    found.append(to_set(cell, separator))
                    continue
                known = read[key] = to_set(key, separator) or []
            found.append(known.copy())
    return found
