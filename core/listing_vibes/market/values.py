"""Cells to values: identifiers, numbers, flags, sets, moments."""

import ast
import csv
import json
import re
import unicodedata
import warnings
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.market.garbage import none_meanwhile

#: What parts the members of a set in a cell, where market.toml does not say.
SEPARATOR = "|"
#: What else may part them, of which `check` tells.
SEPARATORS = (";", ",", "/", "、", "，")
FLAGS = {"t": True, "true": True, "yes": True, "y": True, "f": False, "false": False, "no": False, "n": False}
#: Other words for yes and no; of these both have to be there, as one alone may mean anything ("no" and "ja" are languages).
PAIRS = (
    ("ja", "nein"), ("wahr", "falsch"), ("oui", "non"), ("vrai", "faux"), ("sí", "no"), ("si", "no"), ("on", "off"),
)  # fmt: skip
_YES_OR_NO = {
    **{yes: True for yes, _ in PAIRS}, **{no: False for _, no in PAIRS}, **FLAGS, "1": True, "0": False, "1.0": True, "0.0": False,
}  # fmt: skip
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
# Codes ("A12", "12B") and multiples that may be something else ("10k", "3 million") are no such numbers.
CURRENCY = r"(?:[A-Z]{0,3}\s?[$€£¥₩₹₽₺₪฿₫₴₦₱]|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SGD|NZD|HKD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR|AED|SAR|TRY|MYR|IDR|THB|PHP|zł|ZŁ|Rs\.?)"
#: Money as cells call it; as a unit in market.toml these may be spoons, metres and rooms.
_MONEY = rf"(?:{CURRENCY}|TL|RM|Rp\.?|[Kk]r\.?)"
_NUMBER = r"(?:\d{1,3}(?:[,'’\s]\d{2,3})*[,'’\s]\d{3}(?:\.\d+)?|\d++(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
#: Units of other scripts: money, areas, spans of time, people and rooms, as they stand right behind a number.
_UNITS = (
    r"(?:円|元|块|圆|원|руб\.?|р\.|грн\.?|บาท|坪|평|㎡|㎥|平米|平方米|平方メートル|ตร\.?ม\.?|кв\.?\s?м\.?|к?м[²2³]?|кг|分[钟鐘間]?|분|時間|小[时時]|시간"
    r"|日|天|일|泊|晚|박|年|년|[ヶか个個]?月|개월|人|名|명|位|室|間|间|个|個|개|件|階|楼|樓|层|層|층|岁|歳|台|đ(?:ồng)?|ر\.?\s?س\.?|د\.?\s?إ\.?|ريال|درهم|دينار|جنيه|م[²2]?|كم)(?:/\s?\w{1,8}[²³]?)?"
)
#: What a number is multiplied by: 1.2万円 are 12,000 yen, 1億2,800万円 are 128 million.
_TIMES = {
    "千": 1e3, "천": 1e3, "万": 1e4, "萬": 1e4, "만": 1e4, "億": 1e8, "亿": 1e8, "억": 1e8,
    "พัน": 1e3, "หมื่น": 1e4, "แสน": 1e5, "ล้าน": 1e6,
}  # fmt: skip
#: The same as words: 5 tỷ 600 triệu are 5,600 million.
_TIMES_WORDS = {
    "tr": 1e6, "trieu": 1e6, "triệu": 1e6, "ty": 1e9, "tỷ": 1e9, "tỉ": 1e9, "ribu": 1e3, "jt": 1e6, "juta": 1e6, "miliar": 1e9, "milyar": 1e9,
    "lac": 1e5, "lacs": 1e5, "lakh": 1e5, "lakhs": 1e5, "cr": 1e7, "crore": 1e7, "crores": 1e7,
}  # fmt: skip
#: The same beside a currency alone, as 14k are gold, 4K a screen and 500 m a way.
_TIMES_OF_MONEY = {"k": 1e3, "K": 1e3, "m": 1e6, "M": 1e6, "b": 1e9, "B": 1e9, "bn": 1e9}
_FACTORS = {**_TIMES, **_TIMES_WORDS, **_TIMES_OF_MONEY}
#: Units with capitals. They are named, as any two to four capitals may be a multiple ("2 MM"), a state ("12 NY") or half a day ("3 PM");
#: sizes of packages ("3 OZ", "1 LB", "12 CT") differ within a column, and say more as words.
_CAPITALS = (
    r"(?:\s?[kM]Wh?|\s?[kMG]Hz|\s?[MGT]B|\s(?:KM|CM|MM|KB|KG|CC|B?HP|PS|CV|KWH?|MP|MAH|mAh|RPM|BHK|SQM|SQFT|SQ\.?\s?FT)"
    r"|\s(?:Jahre?n?|Monate?n?|Wochen?|Tage?n?|Stunden?|Zimmer|Personen|Years?|Months?|Weeks?|Days?|Hours?|Minutes?|Minuten|Miles)(?:\sold)?)"
)
_UNIT = (
    rf"(?:{_UNITS}|{_CAPITALS}|"
    r"%|°[CF]?|\smi(?:les?)?\.?|\s(?:years?|months?)\sold|[ckm]?m[23²³]?|ft[2²]?|sq\.?\s?(?:ft|m)\.?|min|kg|\s(?!mi[lo]|mln|mrd|bill|bn|thou|tsd|tis|tys)[a-z]{2,8}|\s?(?:l|L|kWh)\s?/\s?100\s?km|/\s?[a-z]{1,8}[23²³]?)"
)
_BY_WORDS = rf"(?i:{'|'.join(_TIMES_WORDS)})(?![^\W\d_])"
_BY_MONEY = "|".join(_TIMES_OF_MONEY)
_BY = rf"{'|'.join(_TIMES)}|{_BY_WORDS}|(?(money)(?:{_BY_MONEY})|(?:{_BY_MONEY})(?=\s?{CURRENCY}))"
_AMOUNT = re.compile(
    rf"^(?P<sign>[-+]?)\s*(?:(?P<money>{CURRENCY}|TL|RM|[Kk]r\.?)|Rp\.?)?\s*(?:(?P<over>\d++)\s?(?P<by>[億亿억]|{_BY_WORDS})\s?)?"
    rf"(?P<bare>[-+]?{_NUMBER})\s*?(?:[.,]-{{1,2}})?\s?(?P<times>{_BY})?(?:\s?{_MONEY})?(?:\s?{_UNIT})?$"
)
#: As the figures of Arabic are parted, and a minus is set.
_SIGNS = str.maketrans("٬٫−", ",.-")
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
    """Numbers of a column, reading `$1,200.00`, `1 200 m2`, `95%` and `1.2万円`; spans of time are seconds, dates no numbers.

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
        match = _AMOUNT.match(text if text.isascii() else text.translate(_SIGNS))
        if match:
            sign, over, bare = match["sign"], match["over"], match["bare"]
            if (sign or over) and bare[0] in "+-":  # "--5"
                continue
            number = float(re.sub(r"[,'’\s]", "", bare)) * _factor(match["times"])
            number += int(over) * _factor(match["by"]) if over else 0
            values[row] = -number if sign == "-" else number
    return values, (present & np.isnan(values)) | np.isinf(values)


def _factor(times: str | None) -> float:
    if not times:
        return 1
    return _FACTORS.get(times) or _FACTORS.get(times.casefold(), np.nan)  # a dotless i passes for an i


def unit_said(cell: str) -> str:
    """In what a cell that `to_numbers` reads counts, "" where it does not say: `m2`, `EUR`, `hour` (of "2 hours"), in small letters but for money.

    >>> unit_said("1,200 m²"), unit_said("€ 5"), unit_said("2 hours"), unit_said("1.2万円"), unit_said("7")
    ('m2', 'EUR', 'hour', '円', '')
    """
    match = _AMOUNT.match(cell.strip())
    if not match:
        return ""
    first, last = "over" if match["over"] else "bare", "times" if match["times"] else "bare"
    around = match[0][: match.start(first)] + match[0][match.end(last) :]
    unit = re.sub(r"[\s+.,-]", "", unicodedata.normalize("NFKC", around)).upper()
    unit = SIGNS.get(unit, unit)
    if re.fullmatch(CURRENCY, unit):
        return unit
    return unit.lower().removesuffix("s") if len(unit) > 2 else unit.lower()


def to_flags(column: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Booleans of a column (t/f, yes/no, true/false, 0/1, ja/nein); also which cells were there but held none."""
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


def holds_objects(cell: Any) -> bool:
    """Whether a cell is an object, or a list of objects that are not all called something."""
    if isinstance(cell, str):
        text = cell.strip()
        if text.startswith("{"):
            return _is_object(text)
        cell = (_listed(text) or []) if text.startswith("[") and "{" in text else []
    return isinstance(cell, dict) or (
        isinstance(cell, list | tuple | np.ndarray) and any(isinstance(one, dict) for one in named(cell))
    )


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
