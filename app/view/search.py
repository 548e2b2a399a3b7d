"""Finding a listing by words over its title and attributes, or by its id; ranked simply."""

import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd

from app.view.market import MarketView
from core.market.words import words

TITLE_WEIGHT = 3
WHOLE_WORD = 2  # a whole word counts twice as much as the beginning of one


@dataclass(frozen=True, eq=False)
class SearchIndex:
    """The searchable text of L listings: titles, and everything else."""

    titles: pd.Series  # (L,) str, words parted by single spaces, with a space at both ends
    rest: pd.Series  # (L,) str
    ids: dict[str, int]

    @classmethod
    def build(cls, view: MarketView) -> "SearchIndex":
        """Index every listing of a market."""
        rows = range(len(view))
        spoken = [item for item in view.attributes if item.shown_as not in ("flag", "place", "number")]
        flags = [item for item in view.attributes if item.shown_as == "flag"]
        rest = []
        for row in rows:
            parts = [text for item in spoken if (text := view.text(row, item)) != "—"]
            parts += [str(view.raw(row, item)) for item in spoken if view.is_id(item)]
            parts += [item.label for item in flags if view.raw(row, item)]
            rest.append(" ".join(parts))
        return cls(_fold([view.title(row) for row in rows]), _fold(rest), view.market.listing_row)

    def find(self, query: str) -> np.ndarray:
        """Rows of the listings that hold every word of `query`, best first; an exact id comes alone at the top."""
        found = [self.ids[query.strip()]] if query.strip() in self.ids else []
        asked = _words(query)
        if not asked:
            return np.array(found, dtype=np.int64)
        score = np.ones(len(self.titles))
        for word in asked:
            score *= TITLE_WEIGHT * _hits(self.titles, word) + _hits(self.rest, word)
        rows = np.lexsort((np.arange(len(score)), -score))
        rows = rows[score[rows] > 0]
        return np.concatenate([found, rows[~np.isin(rows, found)]]).astype(np.int64)


def _hits(texts: pd.Series, word: str) -> np.ndarray:
    """(L,) 0 where no word of the text begins with `word`, 1 where one does, 2 where one is `word`."""
    begins = texts.str.contains(f" {word}", regex=False).to_numpy(bool)
    whole = texts.str.contains(f" {word} ", regex=False).to_numpy(bool)
    return begins + (WHOLE_WORD - 1) * whole.astype(float)


def _words(text: str) -> list[str]:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return words(bare)


def _fold(texts: list[str]) -> pd.Series:
    return pd.Series([f" {' '.join(_words(text))} " for text in texts], dtype="str")
