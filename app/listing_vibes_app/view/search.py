"""Search of listings by words of titles and attributes, or by id."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute

from listing_vibes.errors import printable
from listing_vibes.insight.market_view import MarketView
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.words import words
from listing_vibes_app.view import formats

TITLE_WEIGHT = 3


@dataclass(frozen=True, eq=False)
class SearchIndex:
    """The words of L listings, separated by spaces: those of titles and those of all other attributes."""

    titles: pa.Array
    rest: pa.Array
    ids: dict[str, int]

    @classmethod
    def build(cls, view: MarketView) -> SearchIndex:
        """Index every listing of a market."""
        title = view.market.title
        cells = view.market.listings[title].tolist() if title is not None else [None] * len(view)
        titles = [
            printable(cell) if isinstance(cell, str) and cell.strip() else view.title(row)
            for row, cell in enumerate(cells)
        ]
        rest = pd.Series("", range(len(view)), dtype=object)
        for item in view.attributes:
            if item.shown_as not in ("place", "number"):
                rest += " " + attribute_texts(view, item)
        return cls(_normalize(pd.Series(titles)), _normalize(rest), view.market.listing_row)

    def find(self, query: str) -> tuple[np.ndarray, int]:
        """Return rows of the listings that have a word of `query`, best first, and how many of them have every word.

        A listing whose id is `query` is first, then come those with the most words. Rare words count more (by the logarithm of
        the inverse frequency), a match in a title three times as much, and a full word twice as much as a prefix.
        """
        exact = [self.ids[query.strip()]] if query.strip() in self.ids else []
        matched, score = np.zeros(len(self.titles), int), np.zeros(len(self.titles))
        distinct = list(dict.fromkeys(_words(query)))
        for word in distinct:
            hits = TITLE_WEIGHT * _count_hits(self.titles, word) + _count_hits(self.rest, word)
            matched += hits > 0
            score += hits * np.log1p(len(hits) / (1 + np.count_nonzero(hits)))
        rows = np.lexsort((-score, -matched))[: np.count_nonzero(matched)]
        complete = np.union1d(np.flatnonzero(matched == len(distinct)) if distinct else [], exact)
        return np.concatenate([exact, rows[~np.isin(rows, exact)]]).astype(np.int64), len(complete)


def attribute_texts(view: MarketView, item: Attribute) -> pd.Series:
    """Return (L,) the display text of an attribute for each listing, without a cut."""
    column = view.market.listings[item.name].reset_index(drop=True)
    if item.shown_as == "flag":
        return column.map({True: item.label}).fillna("").astype(object)
    if item.shown_as == "multi":
        column = column.map(lambda members: " ".join(members) or "None", na_action="ignore")
    texts = column.dropna().astype(str)
    if item.shown_as == "category":
        written = {text: formats.with_unit(view.word(item, text), item.unit) for text in texts.unique()}
        texts = texts.map(written) + (" " + texts if view.is_id(item) else "")
    return texts.reindex(column.index, fill_value="").astype(object)


def _count_hits(texts: pa.Array, word: str) -> np.ndarray:
    """Return (L,) 2 if a word of the text is `word`, 1 if a word starts with it, else 0."""
    starts = compute.match_substring(texts, f" {word}").to_numpy(zero_copy_only=False)
    return np.asarray(
        starts + compute.match_substring(texts, f" {word} ").to_numpy(zero_copy_only=False).astype(float)
    )


def _normalize(texts: pd.Series) -> pa.Array:
    codes, different = pd.factorize(texts)
    normalized = pa.array([f" {' '.join(_words(text))} " for text in different], pa.large_string())
    return normalized.take(pa.array(codes))


def _words(text: str) -> list[str]:
    """Return the words of a text in lower case, without accents."""
    if text.isascii():
        return words(text)
    bare = unicodedata.normalize("NFKD", text.lower())
    return words("".join(sign for sign in bare if not unicodedata.combining(sign)))
