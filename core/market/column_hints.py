"""What is told of columns that are likely not read as they were meant: as words, as one value each, or not at all."""

import re
from collections.abc import Collection

import numpy as np
import pandas as pd

from core.market.columns import MAX_COORDINATE
from core.market.columns import Columns as C
from core.market.decimals import has_decimal_comma, says_comma, says_thousands, with_points
from core.market.defects import Defect, Notes
from core.market.kinds import Cells
from core.market.moments import to_moments
from core.market.values import CURRENCY, SEPARATORS, holds_objects, is_textual, to_numbers, unit_said

#: Words in what others call the columns of events.
_SAID = {
    C.DURATION: {"duration", "seconds", "sec", "secs", "dwell", "spent"},
    C.ACTION: {"action", "event", "type", "rating", "ratings", "stars", "verb", "behavior", "behaviour", "feedback", "interaction"},
}  # fmt: skip
#: What others call degrees.
_DEGREES = {C.LATITUDE: {"lat", "latitude"}, C.LONGITUDE: {"lon", "lng", "long", "longitude"}}
#: Not (1.0, 2.5], which is a span.
_PAIR = re.compile(r"(?!\(.*\]|\[.*\))[(\[]?\s*([-+]?\d{1,2}\.\d+)\s*[,;\s]\s*([-+]?\d{1,3}\.\d+)\s*[)\]]?")
_DECIMALS = 3  # of degrees, which tell streets apart, have most cells as many at least
#: Actions that likely say "not this".
_REFUSALS = re.compile(
    r"(dis|un)likes?d?|not[\s_-]?interested|reject(ed|ion)?|skip(s|ped)?|report(s|ed)?|remove[sd]?|hid(e|den)([\s_-].*)?|block(s|ed)?"
    r"|dismiss(ed)?|down_?votes?d?|thumbs?[\s_-]?down|swiped?[\s_-]?left",
    re.IGNORECASE,
)
#: What others write into a cell of which nothing is known, in small letters.
NOTHING = ("nan", "na", "n/a", "#n/a", "null", "none", "nil", "-", "--", "?")
_MONTH = re.compile(r"(?:0?[1-9]|1[0-2])[/.](?:19|20)\d\d|(?:19|20)\d\d[-/.](?:0[1-9]|1[0-2])")
_FIGURES = re.compile(r"\d+(?:[.,'’\s]\d+)*")
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)")
_OF_MONEY = re.compile(rf"{CURRENCY}|\b(?:Euros?|Rp|kr)\b")
_BEGINS = re.compile(
    rf"(?:(?i:ab|ca\.?|from|von|up to)\s)?[-+−~≈<>≤≥(]?\s?(?:{CURRENCY}|RM|Rp\.?|[Kk]r\.?)?\s?\d"
)
_MULTIPLE = re.compile(
    r"\d\s?(?i:[km]|bn?|mio|mln|mrd|mil|tsd|tis|tys|thousand|[mb]illion(?:en|s)?)\b(?![²³])", re.ASCII
)
_SPAN = re.compile(r"(\d[\d.,]*)\s?[^\W\d]{0,8}\s?(?:-|–|—|to|bis)\s?(\d[\d.,]*)(?:\s?[^\d]{0,16})")
#: 10 x 20 x 5 cm, and 1.5, 2.5 or (1.0, 2.5].
_TWO = re.compile(
    r"\d\s?[^\W\d]{0,3}\s?[x×*]\s?\d|^[(\[]?[-+]?\d+\.\d+\s*[,;]\s*[-+]?\d+\.\d+[)\]]?$", re.IGNORECASE
)
_DIFFERENT = 10  # cells; fewer are as well told by their words
_HOUR = 3600
_SLASHED = re.compile(r"\s*\d{1,2}/\d{1,2}/\d{4}\b")


def why_unused(name: str, column: pd.Series, raw: pd.DataFrame) -> str:
    """What to say of a column of `raw` that is no attribute."""
    if not column.notna().any():
        return "is empty; it is not used"
    dates = pd.api.types.is_datetime64_any_dtype(column.dtype) or Cells(name, column).dated
    lacks = [one for one in (C.PUBLISHED, C.EXPIRES) if one not in raw.columns]
    if not dates or not lacks:
        return "holds only identifiers or dates; it is not used"
    what = {C.PUBLISHED: "since when", C.EXPIRES: "until when"}
    unread = to_moments(column, days=True, whole=True)[1].sum() > 0.1 * column.notna().sum()
    return (
        f"holds only identifiers or dates; it is not used. If it says {' or '.join(what[one] for one in lacks)} a listing can be had, "
        f"{'write dates such as 2024-01-31 and ' if unread else ''}call it {' or '.join(lacks)}"
    )


def note_refusals(words: pd.Series, actions: Collection[str], notes: Notes) -> None:
    """Those of the `actions`, which count as interest, that by their names may say the contrary are told so."""
    for name in actions:
        if _REFUSALS.fullmatch(name):
            message = 'counts as interest; if it says "not this", name it in unwanted in market.toml'
            notes.add(C.ACTION, (words == name).to_numpy(bool, na_value=False), words, message)


def note_degrees(raw: pd.DataFrame, names: Collection[str], notes: Notes) -> None:
    """Columns among `names` that hold degrees, and are no place as they are called otherwise, are told so."""
    called: dict[str, str] = {}
    for axis in MAX_COORDINATE:
        if axis not in raw.columns:
            likely = (
                name
                for name in names
                if set(re.split(r"[^a-z]+", name.lower())) & _DEGREES[axis] and _within(raw[name], axis)
            )
            if (found := next(likely, None)) is None:
                return
            called[axis] = found
    if called:
        message = f"holds degrees, but a place has other names; rename {' and '.join(called.values())} to {' and '.join(called)}"
        notes.defects.append(Defect(notes.file, next(iter(called.values())), 0, "", message))


def _within(column: pd.Series, axis: str) -> bool:
    """Whether nearly all of the first cells are degrees of an axis."""
    values, bad = to_numbers(column.dropna().head(1000))
    return len(values) > 0 and bool((~bad & (np.abs(values) <= MAX_COORDINATE[axis])).mean() >= 0.9)


def holds_places(column: pd.Series) -> bool:
    """Whether nearly all of the first cells hold a latitude and a longitude, such as "40.71234,-74.00123"."""
    if not is_textual(column):
        return False
    first = column.dropna().astype("str").head(1000)
    pairs = [pair.groups() for cell in first if (pair := _PAIR.fullmatch(cell.strip()))]
    inside = [abs(float(north)) <= 90 and abs(float(east)) <= 180 for north, east in pairs]
    fine = [all(len(one.split(".")[1]) >= _DECIMALS for one in pair) for pair in pairs]
    return sum(inside) >= 0.9 * len(first) and sum(fine) > 0.5 * len(first)


def note_moments(name: str, bad: np.ndarray, column: pd.Series, notes: Notes, why: str, done: str) -> None:
    """Cells that are no moments are told `why` and what is `done`; those such as 01/03/2024 how they are read."""
    slashed = bad.copy()
    slashed[bad] = column[bad].astype("str").str.match(_SLASHED).to_numpy(bool, na_value=False)
    notes.add(name, bad & ~slashed, column, f"{why}; {done}")
    message = (
        f"may begin with the day or the month, which nothing tells; write dates such as 2024-01-31; {done}"
    )
    notes.add(name, slashed, column, message)


def what_events_say(name: str, there: Collection[str]) -> str:
    """What else a column of events that nobody reads may be, of those that are not `there`, by what it is called."""
    meant = {C.ACTION: "says what was done, or how it was liked", C.DURATION: "counts seconds"}
    called = set(re.split(r"[^a-z]+", name.lower()))
    for column, words in _SAID.items():
        if column not in there and called & words and not called & {"id", "time"}:
            return f". If it {meant[column]}, call it {column}"
    return ""


def note_decimal_commas(name: str, column: pd.Series, notes: Notes) -> None:
    """Numbers such as "10,50" that are read as words, as others of the column have a decimal point or are none, are told so."""
    if not is_textual(column) or has_decimal_comma(column):
        return

    def commas(cells: pd.Series) -> pd.Series:
        return cells.map(lambda cell: isinstance(cell, str) and len(cell) <= 40 and says_comma(cell))

    first = column.dropna().head(1000)  # enough to tell; a million texts need not be looked through
    if len(first) and commas(first).mean() > 0.5:
        message = "has a decimal comma, but not all the column can be read so, and it is read as words; write numbers as 10.50"
        notes.add(name, commas(column).to_numpy(bool), column, message)


def note_thousands(name: str, column: pd.Series, notes: Notes) -> None:
    """Numbers of a column that `may_be_thousands`, which are read with three decimals, are told so."""
    message = (
        'is read with three decimals, as all that have a point; if it parts thousands, say decimal = "," in market.toml, '
        'else decimal = "."'
    )
    notes.add(name, column.map(says_thousands).to_numpy(bool), column, message)


def note_words_for_nothing(name: str, column: pd.Series, notes: Notes) -> None:
    """Words such as "NA", or others that recur, for which a column that holds numbers otherwise is
    none of numbers, are told so."""
    if not is_textual(column):
        return

    def nothing(cells: pd.Series) -> np.ndarray:
        return cells.astype("str").str.strip().str.casefold().isin(words).to_numpy(bool)

    first = column.dropna().head(1000)
    bad = to_numbers(with_points(first) if has_decimal_comma(column) else first)[1]
    words = set(NOTHING)
    if bad.sum() <= 0.8 * len(bad):
        others = first[bad].astype("str").str.strip().str.casefold().value_counts()
        words |= {word for word, times in others.items() if times >= 3 and not re.search(r"\d", str(word))}
    if nothing(first).any() and not bad.all() and (bad & ~nothing(first)).mean() < 0.1:
        message = (
            "stands among numbers, so the column is not read as numbers; leave such cells empty, or give the column the kind "
            "'number' in market.toml"
        )
        notes.add(name, nothing(column), column, message)


def note_units(name: str, column: pd.Series, notes: Notes) -> None:
    """Numbers of a column that count in several units or currencies, which are read as if these were one, are told so."""
    if not is_textual(column):
        return
    said = column.dropna().astype("str").head(1000).map(unit_said)
    often = said[said != ""].value_counts().index.tolist()
    if len(often) < 2:
        return
    units = column.map(lambda cell: unit_said(cell) if isinstance(cell, str) else "")
    for other in often[1:4]:
        message = f"is in '{other}', most of the column in '{often[0]}', and both are read as bare numbers; write all in one unit"
        notes.add(name, (units == other).to_numpy(bool), column, message)


def note_form(name: str, column: pd.Series, kind: str | None, notes: Notes) -> bool:
    """Cells in a form of which little is read are told so: objects, months, amounts such as "45k-60k" and "81 kW (110 PS)"."""
    cells = column.dropna().head(1000)
    if not len(cells):
        return False
    so = "so it is read as words" if kind else "so the column is not used"
    if cells.map(holds_objects).mean() > 0.5:
        message = f"holds objects, {so}; make columns of what they hold, or a set of their names"
        notes.add(name, column.map(holds_objects).to_numpy(bool), column, message)
        return True
    if kind == "multi" or not is_textual(column):
        return False
    words = cells.astype("str").str.strip()
    if words.str.fullmatch(_MONTH).mean() >= 0.9:
        bad = column.astype("str").str.strip().str.fullmatch(_MONTH).to_numpy(bool, na_value=False)
        message = (
            f"is a month, {so}; write how many months or years ago it was, or the year alone, as a number"
        )
        notes.add(name, bad, column, message)
        return True
    bad = _unread_amounts(words)
    different = words[bad].unique()
    if bad.mean() <= 0.5 or len(different) < _DIFFERENT:
        return False
    if len({_FIGURES.sub("0", cell) for cell in different}) > len(different) / 3:  # sentences, codes
        return False
    message = (
        f"has figures in a form that is not read, {so}; write bare numbers, of a span its ends in two columns"
    )
    notes.add(
        name, _unread_amounts(column.astype("str").str.strip().where(column.notna(), "")), column, message
    )
    return True


def _unread_amounts(words: pd.Series) -> np.ndarray:
    """(N,) bool: which short cells say an amount that is no number, whichever sign parts decimals."""
    bad = words.map(lambda cell: len(cell) <= 40 and _BEGINS.match(cell) is not None).to_numpy(
        bool, copy=True
    )
    for cells in (words, with_points(words)):
        bad[bad] = to_numbers(cells[bad])[1]
    bare = words[bad].str.replace(_IN_BRACKETS, "", regex=True)
    bare = bare.where(bare != "", words[bad]).str.strip(" *~≈<>≤≥()")
    bad[bad] = words[bad].map(_says_amount).to_numpy(bool) | ~to_numbers(bare)[1]
    return bad


def _says_amount(cell: str) -> bool:
    """Whether a cell is money, a multiple, two figures, a span, or has a decimal comma."""
    if _OF_MONEY.search(cell) or _MULTIPLE.search(cell) or _TWO.search(cell) or says_comma(cell):
        return True
    found = _SPAN.fullmatch(cell)
    low, high = (float(re.sub(r"\D", "", figures)) for figures in found.groups()) if found else (1, 0)
    return low < high <= 10 * max(low, 1)


def note_durations(seconds: pd.Series, cells: pd.Series, notes: Notes) -> None:
    """Seconds of which half of the first are more than an hour, as milliseconds would be, are told so."""
    first = seconds.dropna().head(1000)
    if len(first) and first.median() > _HOUR and not pd.api.types.is_timedelta64_dtype(cells.dtype):
        row = int((first > _HOUR).idxmax())
        message = "is more than an hour, as half of them are; if these are milliseconds, divide them by 1,000"
        notes.defects.append(Defect(notes.file, C.DURATION, row + 1, str(cells.iloc[row]), message))


def note_members(name: str, column: pd.Series, notes: Notes) -> None:
    """Cells such as "red, blue", which are read as one value each though few members recur in them, are told so."""
    if not is_textual(column):
        return
    cells = column.dropna().astype("str").head(1000).str.replace(_IN_BRACKETS, "", regex=True)
    different = cells.unique()
    for mark in SEPARATORS:
        parted = cells.str.contains(mark, regex=False)
        if parted.mean() <= 0.2:
            continue
        # What stands alike in every cell, such as m/f/d, parts nothing.
        within = {word for cell in different for word in cell.split() if mark in word.strip(mark)}
        if len(within) == 1 and not within & set(different):
            continue
        members = {member.strip() for cell in different for member in cell.split(mark)}
        if len(members) <= len(different) / 2:
            message = f'is read as one value; if \'{mark}\' parts a set, say kind = "multi" and separator = "{mark}" in market.toml'
            notes.add(name, column.str.contains(mark, regex=False, na=False).to_numpy(bool), column, message)
            return
