"""Values as traits, which describe groups of listings."""

import re

import numpy as np
import pandas as pd

#: (label, [(value in words, piece of a name)], positions of the listings, the values' numbers) of one attribute.
Coded = tuple[str, list[tuple[str, str]], np.ndarray, np.ndarray]
MOST_VALUES = 200  # the most frequent values of an attribute that are used
_NUMBER = re.compile(r"\d+([.,]\d+)?")
_IDENTIFIER = re.compile(r"\d{6,}|[0-9a-f-]{16,}", re.IGNORECASE)


def inside(label: str) -> str:
    """Return a label for use within a name: "Price" becomes "price", "URL" stays."""
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


def coded_values(label: str, values: pd.Series) -> Coded:
    """Return each frequent value as a trait; the index of `values` is the listings' positions, which may repeat."""
    values = values.astype(str)
    frequent = [
        value for value in values.value_counts().index[:MOST_VALUES] if not _IDENTIFIER.fullmatch(value)
    ]
    codes = pd.Index(frequent).get_indexer(values)
    is_frequent = codes >= 0
    # A bare number is meaningless without its label.
    words = [(value, f"{label} {value}" if _NUMBER.fullmatch(value) else value) for value in frequent]
    return label, words, values.index.to_numpy()[is_frequent], codes[is_frequent]
