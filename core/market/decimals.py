"""Whether the numbers of a column are written 1,234.50 or 1.234,50."""

import re

import numpy as np
import pandas as pd

from core.market.values import is_textual, to_numbers

#: A cell's number, whatever currency or unit stands around it.
_NUMBER = re.compile(r"^\D{0,8}?(\d[\d.,]*[.,](?=-)|\d(?:[\d.,]*\d)?)")
_PARTED = re.compile(r"(?<=\d)[\s'](?=\d{3})")
_COMMA = re.compile(
    r"\d{1,3}(\.\d{3})*,|\d{1,3}(\.\d{3})+,\d+|\d+,(\d{1,2}|\d{4,})|(0|\d{4,}),\d+|\d{1,3}(\.\d{3}){2,}"
)
_POINT = re.compile(
    r"\d{1,3}(,\d{3})*\.|\d{1,3}(,\d{3})+\.\d+|\d+\.(\d{1,2}|\d{4,})|(0|\d{4,})\.\d+|\d{1,3}(,\d{3}){2,}"
)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_HUNDREDS = re.compile(r"\d{1,3}")
_FEWEST = 20  # cells such as 1.200 that are enough, where others are below 1,000 and have no point
_SWAP = str.maketrans(",.", ".,")
_READ = 0.9  # share of the cells with a figure that must be numbers then
_FIRST = 1_000  # different cells by which a column is judged


def says_comma(cell: object) -> bool:
    """Whether a cell has a decimal comma for sure: 1.234,50, 5,8 or 950,-, but not 1,234 or 1.234."""
    return _COMMA.fullmatch(_bare(cell)) is not None


def has_decimal_comma(column: pd.Series) -> bool:
    """Whether a comma parts the decimals in a column of text, and a point thousands.

    So where a cell says so and none the contrary. Where all are such as 1.200 and 950 either could be meant, but numbers with
    three decimals each would leave none without: they are thousands.
    """
    if not is_textual(column):
        return False
    cells = _different(column)
    bare = [_bare(cell) for cell in cells]
    if any(map(_POINT.fullmatch, bare)):
        return False
    if not any(map(_COMMA.fullmatch, bare)):
        thousands, hundreds = (sum(map(bool, map(one.fullmatch, bare))) for one in (_THOUSANDS, _HUNDREDS))
        if thousands < _FEWEST or not hundreds or thousands + hundreds < len(bare):
            return False
    figures = cells[cells.str.contains(r"\d")]
    return bool(np.mean(to_numbers(with_points(figures))[1]) <= 1 - _READ)


def has_decimal_point(column: pd.Series) -> bool:
    """Whether cells of text have a decimal point for sure (12.5, 1,234.50), and none a decimal comma."""
    if not is_textual(column):
        return False
    bare = [_bare(cell) for cell in _different(column)]
    return any(map(_POINT.fullmatch, bare)) and not any(map(_COMMA.fullmatch, bare))


def with_points(column: pd.Series) -> pd.Series:
    """The cells of text with comma and point in each other's place; others as they are."""
    if not is_textual(column):
        return column
    return column.map(lambda cell: cell.translate(_SWAP) if isinstance(cell, str) else cell)


def _different(column: pd.Series) -> pd.Series:
    return pd.Series(column.dropna().astype("str").str.strip().unique()[:_FIRST])


def _bare(cell: object) -> str:
    found = _NUMBER.match(_PARTED.sub("", str(cell).strip()))
    return found.group(1) if found else ""
