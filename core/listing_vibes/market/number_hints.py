"""What is told of columns whose numbers are likely not read as they were meant, or as no numbers at all."""

import re

import numpy as np
import pandas as pd

from listing_vibes.market.decimals import has_decimal_comma, says_comma, says_thousands, with_points
from listing_vibes.market.defects import Notes
from listing_vibes.market.values import CURRENCY, holds_objects, is_textual, to_numbers, unit_said

#: What others write into a cell of which nothing is known, in small letters.
_NOTHING = ("nan", "na", "n/a", "#n/a", "null", "none", "nil", "-", "--", "?")
_MONTH = re.compile(r"(?:0?[1-9]|1[0-2])[/.](?:19|20)\d\d|(?:19|20)\d\d[-/.](?:0[1-9]|1[0-2])")
_FIGURES = re.compile(r"\d+(?:[.,'’\s]\d+)*")
IN_BRACKETS = re.compile(r"\s*\([^()]*\)")
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
    words = set(_NOTHING)
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
    bare = words[bad].str.replace(IN_BRACKETS, "", regex=True)
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
