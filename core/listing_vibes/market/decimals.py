"""Whether the numbers of a column are written 1,234.50 or 1.234,50."""

import re

import numpy as np
import pandas as pd

from listing_vibes.market.values import is_textual, to_numbers

#: A cell's number, whatever currency or unit stands around it.
_NUMBER = re.compile(r"^\D{0,8}?(\d[\d.,]*[.,](?=-)|\d(?:[\d.,]*\d)?)")
_PARTED = re.compile(r"(?<=\d)[\s'’](?=\d{3})")
_COMMA = re.compile(
    r"\d{1,3}(\.\d{3})*,|\d{1,3}(\.\d{3})+,\d+|\d+,(\d{1,2}|\d{4,})|(0|\d{4,}),\d+|\d{1,3}(\.\d{3}){2,}"
)
_POINT = re.compile(
    r"\d{1,3}(,\d{3})*\.|\d{1,3}(,\d{3})+\.\d+|\d+\.(\d{1,2}|\d{4,})|(0|\d{4,})\.\d+|\d{1,3}(,\d{3}){2,}"
)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")  # or three decimals
_EITHER = re.compile(r"[1-9]\d{0,2},\d{3}")
#: No slip of the hand among thousands.
_SMALL = re.compile(r"0[.,]\d{3,}")
_STRAY = 0.02  # share of cells that may be slips
_HUNDREDS = re.compile(r"\d{1,3}")
_FEWEST = 20  # cells such as 1.200 that are enough, where others are below 1,000 and have no point
_FEW = 3  # of which it is told that they may be thousands
_SWAP = str.maketrans(",.", ".,")
_READ = 0.9  # share of the cells with a figure that must be numbers then
_FIRST = 1_000  # different cells by which a column is judged


def says_comma(cell: object) -> bool:
    """Whether a cell has a decimal comma for sure: 1.234,50, 5,8 or 950,-, but not 1,234 or 1.234."""
    return _COMMA.fullmatch(_bare(cell)) is not None


def has_decimal_comma(column: pd.Series) -> bool:
    """Whether a comma parts the decimals in a column of text, and a point thousands.

    So where a cell says so and none the contrary, but for a slip in fifty. Where all are such as 1.200 and 950 either could be
    meant, but numbers with three decimals each would leave none without: they are thousands. So are those that are all such as
    12.500 and mostly end in a zero, which decimals seldom do.
    """
    if not is_textual(column):
        return False
    cells = _different(column)
    bare = [_bare(cell) for cell in cells]
    points, commas = _sure(bare)
    if points:
        return False
    if not commas:
        thousands, hundreds = _count(_THOUSANDS, bare), _count(_HUNDREDS, bare)
        if thousands < _FEWEST or thousands + hundreds < (1 - _STRAY) * len(bare):
            return False
        if not hundreds and not _rounded(bare):
            return False
    figures = cells[cells.str.contains(r"\d")]
    return bool(np.mean(to_numbers(with_points(figures))[1]) <= 1 - _READ)


def has_decimal_point(column: pd.Series) -> bool:
    """Whether cells of text have a decimal point for sure (12.5, 1,234.50), and none a decimal comma."""
    if not is_textual(column):
        return False
    points, commas = _sure([_bare(cell) for cell in _different(column)])
    return points and not commas


def may_be_thousands(column: pd.Series) -> bool:
    """Whether all numbers of a column of text are such as 12.345, or have three figures at most, so that nothing tells whether the
    point parts thousands or decimals."""
    if not is_textual(column):
        return False
    bare = [found for cell in _different(column) if (found := _bare(cell))]
    thousands = _count(_THOUSANDS, bare)
    return thousands >= _FEW and thousands + _count(_HUNDREDS, bare) == len(bare)


def says_thousands(cell: object) -> bool:
    """Whether a cell is such as 12.345 km: thousands, or three decimals."""
    return _THOUSANDS.fullmatch(_bare(cell)) is not None


def with_points(column: pd.Series) -> pd.Series:
    """The cells of text with comma and point in each other's place; others as they are."""
    if not is_textual(column):
        return column
    return column.map(lambda cell: cell.translate(_SWAP) if isinstance(cell, str) else cell)


def with_point(cell: str) -> str:
    """One cell of a column with decimal commas, as `with_points` writes it; where the point cannot part thousands (20.5), or it is
    no number, as it is."""
    written = cell.translate(_SWAP)
    if written == cell or _POINT.fullmatch(_bare(cell)):
        return cell
    return cell if to_numbers(pd.Series([written], dtype=object))[1].any() else written


def _sure(bare: list[str]) -> tuple[bool, bool]:
    """Whether numbers have a decimal point, and a decimal comma, for sure; a few cells among many of the contrary are slips."""
    points, commas = _count(_POINT, bare), _count(_COMMA, bare)
    if not points and not commas:
        return False, False
    small = [cell[1] for cell in bare if _SMALL.fullmatch(cell)]
    strays = (
        points <= _STRAY * (commas + _count(_THOUSANDS, bare)) and "." not in small,
        commas <= _STRAY * (points + _count(_EITHER, bare)) and "," not in small,
    )
    return points > 0 and not strays[0], commas > 0 and not strays[1]


def _rounded(bare: list[str]) -> bool:
    return sum(cell.endswith("0") for cell in bare) > len(bare) / 2


def _count(form: re.Pattern[str], bare: list[str]) -> int:
    return sum(map(bool, map(form.fullmatch, bare)))


def _different(column: pd.Series) -> pd.Series:
    return pd.Series(column.dropna().astype("str").str.strip().unique()[:_FIRST])


def _bare(cell: object) -> str:
    found = _NUMBER.match(_PARTED.sub("", str(cell).strip()))
    return found.group(1) if found else ""
