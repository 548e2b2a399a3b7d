"""Tabular tokenisation: each listing as a run of tokens, one per known attribute value, photo and text.

A token is numbers only; `core.model.embeddings` turns it into a vector:
key + value + piecewise-linear part + mean of a set + projected photo or text vector.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.features.vocabulary import Vocabulary, category_ids, member_ids, number_bins, place_ids
from core.market.columns import Columns as C

# Keys every model has; attribute keys follow.
PAD, CLS, PHOTO, ACTION, DURATION = range(5)
FIRST_ATTRIBUTE_KEY = 5
# Token types of the embedding layer.
TYPE_CLS, TYPE_ATTRIBUTE, TYPE_CONTENT, TYPE_META = range(4)


@dataclass(frozen=True, eq=False)
class Tokens:
    """T tokens of L listings, listing by listing; `offset[l] : offset[l + 1]` are those of listing l.

    `set_offset` and `set_member` list the members of every token's set (multi, place, words), token by token.
    """

    offset: np.ndarray  # (L + 1,) int64
    key: np.ndarray  # (T,) int32
    value: np.ndarray  # (T,) int32, 0 = none
    bin: np.ndarray  # (T,) int32, 0 = none, else 1 + global number bin
    fraction: np.ndarray  # (T,) float32
    photo: np.ndarray  # (T,) int32, row of the photo vectors or -1
    text: np.ndarray  # (T,) int32, row of the text vectors or -1
    set_offset: np.ndarray  # (T + 1,) int64
    set_member: np.ndarray  # (M,) int32

    @property
    def listings(self) -> int:
        """L, how many listings."""
        return len(self.offset) - 1


class _Columns:
    """Collects one slot (attribute, photo position, text) after the other, then sorts by listing."""

    def __init__(self) -> None:
        self.parts: list[dict[str, np.ndarray]] = []
        self.sets: list[list[int]] = []

    def add(
        self, listing: np.ndarray, key: int, sets: list[list[int]] | None = None, **columns: np.ndarray
    ) -> None:
        n = len(listing)
        part = {"listing": listing, "key": np.full(n, key), "slot": np.full(n, len(self.parts))}
        for name, empty in (("value", 0), ("bin", 0), ("fraction", 0.0), ("photo", -1), ("text", -1)):
            part[name] = columns.get(name, np.full(n, empty))
        self.parts.append(part)
        self.sets.extend(sets if sets is not None else [[] for _ in range(n)])

    def tokens(self, listings: int) -> Tokens:
        names = ("listing", "slot", "key", "value", "bin", "fraction", "photo", "text")
        whole = {
            name: np.concatenate([p[name] for p in self.parts]) if self.parts else np.empty(0)
            for name in names
        }
        order = np.lexsort((whole["slot"], whole["listing"]))
        sets = [self.sets[row] for row in order]
        return Tokens(
            offset=np.searchsorted(whole["listing"][order], np.arange(listings + 1)),
            **{
                name: whole[name][order].astype(np.int32) for name in ("key", "value", "bin", "photo", "text")
            },
            fraction=whole["fraction"][order].astype(np.float32),
            set_offset=np.concatenate([[0], np.cumsum([len(s) for s in sets], dtype=np.int64)]).astype(
                np.int64
            ),
            set_member=np.array([member for s in sets for member in s], np.int32),
        )


def attribute_keys(vocabulary: Vocabulary) -> dict[str, int]:
    """Key number of each attribute; a text attribute has a second one for its words."""
    keys, following = {}, FIRST_ATTRIBUTE_KEY
    for entry in vocabulary.attributes:
        keys[entry.name] = following
        following += 2 if entry.kind == "text" else 1
    return keys


def bin_offsets(vocabulary: Vocabulary) -> dict[str, int]:
    """Where each number attribute's bins begin among all bins (the first is 1; 0 means none)."""
    offsets, following = {}, 1
    for entry in vocabulary.attributes:
        if entry.kind == "number":
            offsets[entry.name] = following
            following += entry.size
    return offsets


def tokenise(
    vocabulary: Vocabulary,
    listings: pd.DataFrame,
    photo_rows: list[np.ndarray] | None = None,
    text_rows: dict[str, np.ndarray] | None = None,
    use_words: bool = True,
) -> Tokens:
    """Tokens of all `listings`; what is missing has no token.

    Args:
        photo_rows: for each photo position the rows (L,) of the photo vectors, -1 where there is none.
        text_rows: for each text attribute the rows (L,) of the text vectors, -1 where there is none.
        use_words: whether a text attribute also gives a token with the set of its known words.
    """
    columns, keys, bins = _Columns(), attribute_keys(vocabulary), bin_offsets(vocabulary)
    for entry in vocabulary.attributes:
        key = keys[entry.name]
        if entry.kind == "place":
            if C.LATITUDE not in listings or C.LONGITUDE not in listings:
                continue
            cells = place_ids(
                entry, listings[C.LATITUDE].to_numpy(float), listings[C.LONGITUDE].to_numpy(float)
            )
            present = np.flatnonzero(cells[:, 0] > 0)
            columns.add(present, key, sets=cells[present].tolist())
        elif entry.name not in listings:
            continue
        elif entry.kind == "number":
            found, fraction = number_bins(entry, listings[entry.name].to_numpy(float))
            present = np.flatnonzero(found >= 0)
            columns.add(
                present,
                key,
                value=entry.first + found[present],
                bin=bins[entry.name] + found[present],
                fraction=fraction[present],
            )
        elif entry.kind in ("category", "flag"):
            values = category_ids(entry, listings[entry.name])
            present = np.flatnonzero(values > 0)
            columns.add(present, key, value=values[present])
        else:
            if entry.kind == "text" and text_rows is not None and entry.name in text_rows:
                rows = text_rows[entry.name]
                present = np.flatnonzero(rows >= 0)
                columns.add(present, key, text=rows[present])
            if entry.kind == "multi" or use_words:
                members = member_ids(entry, listings[entry.name])
                present = np.flatnonzero([len(m) > 0 for m in members])
                columns.add(present, key + (entry.kind == "text"), sets=[members[row] for row in present])
    for rows in photo_rows or []:
        present = np.flatnonzero(rows >= 0)
        columns.add(present, PHOTO, photo=rows[present])
    return columns.tokens(len(listings))
