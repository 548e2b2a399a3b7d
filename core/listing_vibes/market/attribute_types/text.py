"""Free text: a title, a description."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.market.attribute_types import AttributeType, AttributeVocabulary, Tokens
from listing_vibes.market.attribute_types._vocabulary import MOST_VALUES, frequent, member_ids
from listing_vibes.market.values import SEPARATOR
from listing_vibes.words import without_markup, words


class Text(AttributeType):
    """A token for each encoder's sentence vector, and one with the set of known words."""

    short = has_traits = False
    written = sentences = True
    keys = 2  # the sentence, the words
    shown_as = "text"

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        texts, bad, issue = super().read(column, separator)
        texts = texts.map(without_markup, na_action="ignore").astype("str")
        return texts.where(texts != ""), bad, issue

    def parse(self, value: Any, label: str, column: str) -> Any:
        return without_markup(super().parse(value, label, column))

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        """Return where the text contains one of the values."""
        text = column.astype("string").str.casefold()
        hits = [text.str.contains(value.casefold(), regex=False) for value in values]
        return np.asarray(np.logical_or.reduce([hit.to_numpy(bool, na_value=False) for hit in hits]))

    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        each = chain.from_iterable(set(words(text)) for text in listings[name].dropna())
        return AttributeVocabulary(name=name, kind="text", values=frequent(each, min_count)[:MOST_VALUES])

    def tokenize(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> list[Tokens]:
        cells = (words(text) if isinstance(text, str) else [] for text in listings[entry.name])
        return [Tokens.of_sets(member_ids(entry, cells), key=1)]
