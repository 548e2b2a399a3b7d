"""Infer the type of an attribute from its cells, where market.toml does not name it."""

import re

import numpy as np
import pandas as pd

from listing_vibes.market.values import FLAGS, SEPARATOR, is_textual, to_numbers, to_set
from listing_vibes.words import gaps

#: A day, optionally with a time: 2024-01-31, 2024-01-31T18:05:00Z, 31.01.2024 18:05, 1/31/2024.
_DAY = r"(?:\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{1,2}/\d{1,2}/\d{4})(?:[T\s]\s*\d{1,2}:\d{2}.{0,24})?"
#: A list in JSON or Python syntax, or a PostgreSQL array; a JSON object does not match.
_LIST = r"\[.*\]|\{[^{}:]*\}"
#: Leading zeros mark codes: postcodes of one length, phone numbers.
_PADDED = r"0\d{2,}"
#: Integers in such a column are names: brand_id, ID, categoryId, zip_code.
_NAMES = re.compile(
    r"(?i:(.*[_\W])?(?:id|zip(?:[_\s]?code)?|post(?:al)?[_\s]?code|phone(?:[_\s]?number)?|ean|gtin|sku))|.*[a-z]I[dD]"
)
#: An amount in any notation, such as 45k-60k or ~110 kW, but not a code such as 3fa9c2, and not a URL.
_FIGURE = r"(?s)(?!.*[a-wyzA-WYZ]\d)(?!(?:[\W\d_]*[^\W\d_]){9})\W*\d.*"
#: The share of cells that are not numbers from which on a column is not one of numbers.
MOST_UNPARSED = 0.1
#: Above this number of distinct values, mostly of several words, a column is text rather than a category.
MOST_CATEGORIES = 500
#: Names of columns that say whose listing it is.
_SELLER = re.compile(r"(?i:host|seller|owner|agent|agency|vendor|merchant|landlord|broker|dealer|shop|user)")
#: The fewest numbers in which identifiers are recognized.
FEWEST_IDS = 100
#: What spreadsheets and databases write for a number that is missing, in small letters.
_MISSING = (
    "n/a",
    "#n/a",
    "na",
    "nan",
    "null",
    "none",
    "-",
    "—",
    "?",
    "#ref!",
    "#value!",
    "#div/0!",
    "#null!",
    "#name?",
    "#num!",
)
_SAMPLE = 5_000  # cells that are parsed


def infer_type(name: str, column: pd.Series) -> str | None:
    """Infer the type of an attribute from its name and values; None for an empty column, dates or identifiers."""
    present = column.dropna()
    if present.empty or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return None
    if pd.api.types.is_bool_dtype(column.dtype):
        return "flag"
    if isinstance(present.iloc[0], list | tuple | np.ndarray):
        return "multi"
    texts = present.astype("str").str.strip()
    sample, distinct, has_text = _subset(texts), texts.nunique(), is_textual(column)
    values = set(texts.str.lower().unique()[:50]) if has_text else set(present.unique())
    if values <= ({"0", "1"} if has_text else {0, 1}) or values <= set(FLAGS):
        return "flag"
    numbers = to_numbers(sample)
    if has_text and numbers[1].any() and _is_set(sample):
        return "multi"
    if _is_number(name, sample, has_text, *numbers):
        return "number"
    is_identifying = distinct > 0.95 * len(texts) and len(texts) > 20
    if not has_text:
        return None if is_identifying else "category"
    if _is_date(sample):
        return None
    has_titles = is_identifying or distinct > MOST_CATEGORIES
    spaces = sample.map(gaps).astype(int)
    if distinct > 0.3 * len(texts) and (spaces.mean() >= 2.5 or (has_titles and (spaces > 0).mean() > 0.5)):
        return "text"
    if sample.str.contains(SEPARATOR, regex=False).mean() > 0.2:
        return "multi"
    return None if is_identifying else "category"


def unparsed_cells(column: pd.Series) -> list[str]:
    """Return three cells that are not numbers, where a tenth or more of a mostly numeric column are such; else none."""
    present = column.dropna()
    if present.empty or not is_textual(column) or isinstance(present.iloc[0], list | tuple | np.ndarray):
        return []
    sample = _subset(present.astype("str").str.strip())
    bad = to_numbers(sample)[1]
    is_numeric = sample.str.fullmatch(_FIGURE).mean() > 0.5 and not _is_date(sample)
    return sample[bad].unique()[:3].tolist() if is_numeric and bad.mean() >= MOST_UNPARSED else []


def has_semicolons(column: pd.Series) -> bool:
    """Return whether the cells of a text column are sets such as "Wifi; Kitchen; TV"."""
    present = column.dropna()
    if present.empty or not is_textual(column) or isinstance(present.iloc[0], list | tuple | np.ndarray):
        return False
    return _is_set(_subset(present.astype("str").str.strip()), ";")


def is_identifier(name: str, numbers: pd.Series) -> bool:
    """Return whether numbers are identifiers that repeat, such as those of sellers.

    They are integers with at least a tenth as many values as rows, and either the name says so, or they are large and the same
    number is far more frequent than the next one, which an amount is not, unless it is rounded.
    """
    values = numbers.dropna().to_numpy(float)
    if len(values) < FEWEST_IDS or (values % 1 != 0).any():
        return False
    distinct, counts = np.unique(values, return_counts=True)
    if not 0.1 * len(values) <= len(distinct) <= 0.9 * len(values):
        return False
    if _SELLER.search(name):
        return True
    equal = float((counts * (counts - 1.0) / 2).sum())  # pairs of listings
    following = float((counts[1:] * counts[:-1])[np.diff(distinct) == 1].sum())
    is_rounded = (distinct % 10 == 0).mean() > 0.2 or (distinct % 5 == 0).mean() > 0.35
    return float(np.median(distinct)) >= 10_000 and equal > 10 * following and not is_rounded


def _subset(texts: pd.Series) -> pd.Series:
    return texts.iloc[np.linspace(0, len(texts) - 1, min(_SAMPLE, len(texts))).astype(int)]


def _is_date(sample: pd.Series) -> bool:
    return bool(sample.str.fullmatch(_DAY).mean() >= 0.9)


def _is_set(sample: pd.Series, separator: str = SEPARATOR) -> bool:
    """Return whether cells are lists, or have separators and parts that repeat; parts of titles such as "Attic | Bergen" do not."""
    if sample.str.fullmatch(_LIST).mean() > 0.9:
        return True
    if sample.str.contains(separator, regex=False).mean() <= 0.2:
        return False
    parts = sample.drop_duplicates().map(lambda cell: to_set(cell, separator)).explode().dropna()
    return bool(parts.duplicated(keep=False).mean() > 0.9)


def _is_number(name: str, sample: pd.Series, has_text: bool, values: np.ndarray, bad: np.ndarray) -> bool:
    bad = bad & ~sample.str.casefold().isin(_MISSING).to_numpy(bool)
    padded = sample.str.fullmatch(_PADDED).mean()
    has_codes = padded > 0.5 or (padded >= 0.01 and sample.str.len().nunique() == 1)
    if has_text and (bad.mean() >= MOST_UNPARSED or has_codes):
        return False
    return _NAMES.fullmatch(name) is None or bool((values % 1 > 0).any())
