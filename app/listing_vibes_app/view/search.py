"""Finding a listing by words over its title and attributes, or by its id; ranked simply."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute

from listing_vibes.errors import printable
from listing_vibes.market.market import Attribute
from listing_vibes.market.words import words
from listing_vibes_app.view import formats
from listing_vibes_app.view.market import MarketView

if TYPE_CHECKING:
    from scipy import sparse

TITLE_WEIGHT = 3
WHOLE_WORD = 2  # a whole word counts twice as much as the beginning of one
#: Different texts, and of each place where one stands: which text it is, and the row of the listing.
Told = tuple[list[str], np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class _Held:
    """Which of L listings hold which of V words."""

    words: list[str]  # (V,) in order
    rows: sparse.csr_array  # (V, L) bool

    @classmethod
    def of(cls, told: Iterable[Told], listings: int) -> _Held:
        """The words of texts, each different one read once."""
        texts: list[str] = []
        held, rows = [np.empty(0, int)], [np.empty(0, int)]
        for different, which, where in told:
            held.append(which + len(texts))
            rows.append(where)
            texts += [" ".join(_words(text)) for text in different]
        which, row = np.concatenate(held), np.concatenate(rows)
        # Arrow parts and numbers words several times as fast as a dict.
        parted = compute.split_pattern(pa.array(texts, pa.large_string()), " ")
        numbered, end = parted.flatten().dictionary_encode(), parted.offsets.to_numpy()
        said = numbered.dictionary.to_pylist()
        known = sorted(said)
        place = np.empty(len(known), np.int32)
        place[sorted(range(len(said)), key=said.__getitem__)] = np.arange(len(known))
        size = np.diff(end)[which]  # words at each place where a text stands
        before = np.repeat(end[which] - np.cumsum(size) + size, size)
        word = place[numbered.indices.to_numpy()[before + np.arange(len(before))]]
        row = np.repeat(row, size).astype(np.int32)
        from scipy import sparse  # that the first page does not wait for

        every = sparse.coo_array((np.ones(len(word), bool), (word, row)), (len(known), listings))
        return cls(known, every.tocsr())

    def hits(self, word: str) -> np.ndarray:
        """(L,) 0 where no word of the listing begins with `word`, 1 where one does, 2 where one is `word`."""
        found = np.zeros(self.rows.shape[1])
        first, last = bisect_left(self.words, word), bisect_left(self.words, f"{word}\U0010ffff")
        start = self.rows.indptr
        found[self.rows.indices[start[first] : start[last]]] = 1
        if self.words[first : first + 1] == [word]:
            found[self.rows.indices[start[first] : start[first + 1]]] = WHOLE_WORD
        return found


@dataclass(frozen=True, eq=False)
class SearchIndex:
    """The searchable words of L listings: of titles, and of everything else."""

    titles: _Held
    rest: _Held
    ids: dict[str, int]

    @classmethod
    def build(cls, view: MarketView) -> SearchIndex:
        """Index every listing of a market, its whole texts."""
        size = len(view)
        rest = chain.from_iterable(_told(view, item) for item in view.attributes)
        return cls(_Held.of([_titles(view)], size), _Held.of(rest, size), view.market.listing_row)

    def find(self, query: str) -> np.ndarray:
        """Rows of the listings that hold every word of `query`, best first; an exact id comes alone at the top."""
        found = [self.ids[query.strip()]] if query.strip() in self.ids else []
        asked = _words(query)
        if not asked:
            return np.array(found, dtype=np.int64)
        score = np.array(1.0)
        for word in asked:
            score = score * (TITLE_WEIGHT * self.titles.hits(word) + self.rest.hits(word))  # (L,)
        rows = np.flatnonzero(score)
        rows = rows[np.argsort(-score[rows], kind="stable")]
        return np.concatenate([found, rows[~np.isin(rows, found)]]).astype(np.int64)


def _titles(view: MarketView) -> Told:
    title = view.market.title
    cells = view.market.column(title).tolist() if title is not None else [None] * len(view)
    texts = [
        printable(cell) if isinstance(cell, str) and cell.strip() else view.title(row)
        for row, cell in enumerate(cells)
    ]
    rows = np.arange(len(view))
    return texts, rows, rows


def _told(view: MarketView, item: Attribute) -> Iterator[Told]:
    """What an attribute says of listings, as people read it, but whole."""
    if item.shown_as in ("place", "number"):
        return
    column = view.market.listings[item.name]
    known = column[column.notna()]
    rows = np.flatnonzero(column.notna())
    if item.shown_as == "flag":
        rows = rows[known.to_numpy(bool)]
        yield [item.label], np.zeros(len(rows), int), rows
        return
    if item.shown_as == "multi":
        sets = [value or ["None"] for value in known]
        rows = np.repeat(rows, [len(value) for value in sets])
        known = pd.Series(list(chain.from_iterable(sets)), dtype=object)
    which, different = pd.factorize(known)
    if item.shown_as == "category":
        yield [formats.with_unit(view.word(item, value), item.unit) for value in different], which, rows
    else:
        yield list(map(str, different)), which, rows
    if view.is_id(item):
        yield [str(value) for value in different], which, rows


def _words(text: str) -> list[str]:
    if text.isascii():
        return words(text)
    bare = unicodedata.normalize("NFKD", text.lower())
    marks = {ord(c): None for c in set(bare) if unicodedata.combining(c)}
    return words(bare.translate(marks) if marks else bare)
