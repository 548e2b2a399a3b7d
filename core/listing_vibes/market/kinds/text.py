"""Free text: a title, a description."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.market.kinds import AttributeVocabulary, Cells, Claim, Kind, Told
from listing_vibes.market.kinds._told import MOST_VALUES, frequent, member_ids
from listing_vibes.market.markup import without_markup
from listing_vibes.market.values import SEPARATOR
from listing_vibes.market.words import words

#: More different values than these, mostly of several words, are titles and no categories.
MOST_CATEGORIES = 500


def _reads_so(cells: Cells) -> bool:
    many = (cells.gaps > 0).mean() > 0.5 and cells.words.nunique() > MOST_CATEGORIES
    return bool(many or cells.gaps.mean() >= 2.5)


class Text(Kind):
    """A token for each encoder's sentence vector, and one with the set of the known words."""

    short = portrayed = False
    written = sentences = True
    keys = 2  # the sentence, the words
    shown_as = "text"
    claims = (
        Claim(70, lambda cells: cells.unique > 0.3 and _reads_so(cells) and not cells.dated),
        Claim(50, lambda cells: cells.identifying and (cells.gaps > 0).mean() > 0.5 and not cells.dated),
    )

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        cells, bad, problem = super().read(column, separator)
        marked = cells.str.contains("<", regex=False).to_numpy(bool, na_value=False)
        if marked.any():
            cells = cells.mask(marked, cells[marked].map(without_markup))
            cells = cells.where(cells != "")
        return cells, bad, problem

    def parse(self, value: Any, label: str, column: str) -> Any:
        return without_markup(super().parse(value, label, column))

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        """Where one of the values is a part of the text."""
        text = column.astype("string").str.casefold()
        hits = [text.str.contains(value.casefold(), regex=False) for value in values]
        return np.logical_or.reduce([hit.to_numpy(bool, na_value=False) for hit in hits])

    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        code, texts = pd.factorize(listings[name])  # each text is taken apart once
        times = np.bincount(code[code >= 0], minlength=len(texts)).tolist()
        counts: Counter[str] = Counter()
        for text, count in zip(texts, times, strict=True):
            for word in set(words(text)):
                counts[word] += count
        kept = frequent(counts, min_count)
        return AttributeVocabulary(name=name, kind="text", values=kept[:MOST_VALUES])

    def tell(self, entry: AttributeVocabulary, listings: pd.DataFrame, use_words: bool = True) -> list[Told]:
        if not use_words:
            return []
        code, texts = pd.factorize(listings[entry.name])
        each = member_ids(entry, map(words, texts), alike=False)
        return [Told.of_sets([each[one] if one >= 0 else [] for one in code.tolist()], key=1)]
