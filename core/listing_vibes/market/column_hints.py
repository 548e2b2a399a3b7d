"""What is told of columns that are likely not read as they were meant: under another name, as one value each, or not at all."""

import re
from collections.abc import Collection

import numpy as np
import pandas as pd

from listing_vibes.market.columns import MAX_COORDINATE
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.defects import Defect, Notes
from listing_vibes.market.kinds import Cells
from listing_vibes.market.moments import to_moments
from listing_vibes.market.number_hints import IN_BRACKETS
from listing_vibes.market.values import SEPARATORS, is_textual, to_numbers

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
    cells = column.dropna().astype("str").head(1000).str.replace(IN_BRACKETS, "", regex=True)
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
