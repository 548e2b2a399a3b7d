"""Values as what groups of listings are told apart by."""

import re

import numpy as np
import pandas as pd

#: (label, [(value in words, piece of a name)], places of the listings, the values' numbers) of one attribute.
Coded = tuple[str, list[tuple[str, str]], np.ndarray, np.ndarray]
VALUES = 200  # values of one attribute that are looked at, the frequent ones
_NUMBER = re.compile(r"\d+([.,]\d+)?")
_IDENTIFIER = re.compile(r"\d{6,}|[0-9a-f-]{16,}", re.IGNORECASE)


def inside(label: str) -> str:
    """A label as it stands within a name: "Price" is "price", "URL" stays."""
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


def coded_values(label: str, values: pd.Series) -> Coded:
    """The frequent values, each for itself; `values` has the listings' places as its index, one may stand there often."""
    values = values.astype(str)
    often = [value for value in values.value_counts().index[:VALUES] if not _IDENTIFIER.fullmatch(value)]
    codes = pd.Index(often).get_indexer(values)
    kept = codes >= 0
    # A bare number says nothing without what it counts.
    told = [(value, f"{label} {value}" if _NUMBER.fullmatch(value) else value) for value in often]
    return label, told, values.index.to_numpy()[kept], codes[kept]
