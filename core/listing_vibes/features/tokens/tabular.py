"""Tabular tokenization: each listing as a sequence of tokens, one for each known attribute value, photo and text.

Tokens are numbers; `listing_vibes.model.model` converts them to vectors:
key + value + piecewise-linear part + mean of a set + projected photo or text vector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.features.several_markets import keep_common_values
from listing_vibes.features.tokens.vocabulary import Vocabulary, fit_vocabulary
from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.log import ranges
from listing_vibes.registry import load

# Keys of every model; attribute keys follow.
PAD, CLS, PHOTO, ACTION, DURATION = range(5)
FIRST_ATTRIBUTE_KEY = 5
# Token types of the embedding layer.
TYPE_CLS, TYPE_ATTRIBUTE, TYPE_CONTENT, TYPE_META = range(4)
#: The n vectors of a view: the listing (n,) of each, those of one listing in their order, and its row (n,) in the table of vectors.
ViewRows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class ListingTokens:
    """T tokens of L listings, concatenated; `offset[l] : offset[l + 1]` are those of listing l.

    `set_offset` and `set_member` list the members of every token's set (multi, place, words), concatenated.
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
        """L, the number of listings."""
        return len(self.offset) - 1

    def taken(self, source: np.ndarray, count: np.ndarray) -> "ListingTokens":
        """Return listings of `count` (B,) int64 tokens each: the tokens `source` (T,) of these, concatenated."""
        sizes = sizes_of(self.set_offset, source)
        return ListingTokens(
            offset=np.append(0, np.cumsum(count)),
            set_offset=np.append(0, np.cumsum(sizes)),
            set_member=self.set_member[ranges(self.set_offset[source], sizes)],
            **{
                name: getattr(self, name)[source]
                for name in ("key", "value", "bin", "fraction", "photo", "text")
            },
        )


def sizes_of(offset: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return (B,) the sizes of the segments `rows` (B,) with the bounds `offset` (N + 1,), without computing all N sizes."""
    return np.asarray(offset[rows + 1] - offset[rows])


#: The columns of tokens that a slot may lack, with their empty values.
EMPTY = {"value": 0, "bin": 0, "fraction": 0.0, "photo": -1, "text": -1}


class TokenColumns:
    """Collect slots (attribute, photo position, text) one by one, then sort by listing."""

    def __init__(self) -> None:
        self.parts: list[dict[str, np.ndarray]] = []
        self.members: list[np.ndarray] = []  # members of the sets of each part, concatenated

    def add(
        self,
        listing: np.ndarray,
        key: int | np.ndarray,
        sets: list[list[int]] | None = None,
        **columns: np.ndarray | None,
    ) -> None:
        """Add a slot, such as an attribute: n tokens of some listings.

        Args:
            listing: the listing number of each token (n,); a listing may have several tokens, one after the other.
            key: the key embedding of all tokens, or of each (n,).
            sets: the value numbers of each token's set, if the slot holds sets.
            **columns: further columns (n,): `value`, `bin`, `fraction`, `photo`, `text`; the empty value where there is none.
        """
        n, sizes = len(listing), np.array([len(members) for members in sets or ()], np.int64)
        part = {
            "listing": listing,
            "key": np.full(n, key),
            "members": np.zeros(n, np.int64) if sets is None else sizes,
        }
        for name, empty in EMPTY.items():
            given = columns.get(name)
            part[name] = np.full(n, empty) if given is None else given
        self.parts.append(part)
        self.members.append(np.array([member for members in sets or () for member in members], np.int32))

    def add_texts(self, key: int, rows: np.ndarray | None) -> None:
        """Add the sentence vectors of an attribute with this key."""
        if rows is not None:
            present = np.flatnonzero(rows >= 0)
            self.add(present, key, text=rows[present])

    def add_photos(self, vocabulary: Vocabulary, views: Sequence[ViewRows]) -> None:
        """Add the vectors of photos and the precomputed ones, view by view."""
        for view, (listing, rows) in enumerate(views):
            self.add(listing, photo_key(vocabulary, view), photo=rows)

    def tokens(self, listings: int) -> ListingTokens:
        """Return all tokens, sorted by listing and then by the order of adding."""
        full = {
            name: np.concatenate([part[name] for part in self.parts]) if self.parts else np.empty(0, np.int64)
            for name in ("listing", "key", "members", *EMPTY)
        }
        order = np.argsort(full["listing"], kind="stable")  # tokens of a listing stay in the order of adding
        ends = np.cumsum(full["members"])
        first, sizes = (ends - full["members"])[order], full["members"][order]
        members = np.concatenate([*self.members, np.empty(0, np.int32)])
        return ListingTokens(
            offset=np.searchsorted(full["listing"][order], np.arange(listings + 1)),
            **{name: full[name][order].astype(np.int32) for name in ("key", "value", "bin", "photo", "text")},
            fraction=full["fraction"][order].astype(np.float32),
            set_offset=np.append(0, np.cumsum(sizes)),
            set_member=members[ranges(first, sizes)],
        )


def attribute_keys(vocabulary: Vocabulary) -> dict[str, int]:
    """Return the first key number of each attribute; some types have several, such as a text's sentence and its words."""
    sizes = [type_of(entry.kind).keys for entry in vocabulary.attributes]
    return _starts([entry.name for entry in vocabulary.attributes], sizes, FIRST_ATTRIBUTE_KEY)


def _starts(names: Sequence[str], sizes: Sequence[int], first: int) -> dict[str, int]:
    """Return where each of `names` begins, one after the other from `first`."""
    return dict(zip(names, accumulate(sizes, initial=first), strict=False))


def attribute_of_keys(vocabulary: Vocabulary) -> np.ndarray:
    """Return (K,) the number of the attribute that each key belongs to; -1 for keys of none."""
    sizes = [type_of(entry.kind).keys for entry in vocabulary.attributes]
    result = np.full(key_count(vocabulary), -1)
    result[FIRST_ATTRIBUTE_KEY : FIRST_ATTRIBUTE_KEY + sum(sizes)] = np.repeat(np.arange(len(sizes)), sizes)
    return result


def photo_key(vocabulary: Vocabulary, view: int) -> int:
    """Return the key of the vectors of view number `view`: the photos, if the model reads any, then each precomputed one."""
    if view == 0:
        return PHOTO
    first = FIRST_ATTRIBUTE_KEY
    if vocabulary.attributes:  # after the last one, which has as many keys as a text, whatever its type is
        last = vocabulary.attributes[-1]
        first = attribute_keys(vocabulary)[last.name] + max(2, type_of(last.kind).keys)
    return first + view - 1


def piece_keys(vocabulary: Vocabulary) -> tuple[int, int]:
    """Return the keys of word pieces in names and in values of attributes: Recformer's two token types (Li et al. 2023)."""
    first = photo_key(vocabulary, vocabulary.photo_views)
    return first, first + 1


def key_count(vocabulary: Vocabulary) -> int:
    """Return the number of keys."""
    first, _ = piece_keys(vocabulary)
    return first + 2 * bool(vocabulary.pieces)


def view_of_key(vocabulary: Vocabulary) -> np.ndarray:
    """Return (K,) int64 view whose linear layer applies to a photo token with that key."""
    views = np.zeros(key_count(vocabulary), np.int64)
    for view in range(1, vocabulary.photo_views):
        views[photo_key(vocabulary, view)] = view
    return views


def bin_offsets(vocabulary: Vocabulary) -> dict[str, int]:
    """Return the first bin of each attribute with bins among all bins (the first is 1; 0 means none)."""
    binned = [entry for entry in vocabulary.attributes if type_of(entry.kind).binned]
    return _starts([entry.name for entry in binned], [entry.size for entry in binned], 1)


class Tokenizer:
    """The default way to write a listing as tokens: one for each known value; see `TOKENIZERS`."""

    def fit(
        self, listings: pd.DataFrame, attributes: list[Attribute], actions: list[str], durations: np.ndarray
    ) -> Vocabulary:
        """Fit the vocabulary on the training `listings` and on the `durations` (seconds) of training events."""
        return fit_vocabulary(listings, attributes, actions, durations)

    def most_tokens(self, vocabulary: Vocabulary, use_words: bool) -> int:
        """Return the most tokens of a listing's attributes, without vectors of texts: one each, a text one for its words."""
        texts = sum(entry.kind == "text" for entry in vocabulary.attributes)
        return len(vocabulary.attributes) - texts + texts * use_words

    def common(self, vocabulary: Vocabulary, parts: Sequence[pd.DataFrame]) -> Vocabulary:
        """Return the vocabulary of several markets, whose listings are `parts`: the values that two of them have."""
        return keep_common_values(vocabulary, parts)

    def initialize(self, model: Any, vocabulary: Vocabulary, width: int) -> None:
        """Initialize the values of a new model in place; by default they stay random."""

    def tokenize(
        self,
        vocabulary: Vocabulary,
        listings: pd.DataFrame,
        photo_rows: Sequence[ViewRows],
        text_rows: Mapping[str, np.ndarray],
        use_words: bool = True,
    ) -> ListingTokens:
        """Return the tokens of all `listings`; missing values have no token.

        Args:
            photo_rows: of each view.
            text_rows: for each text attribute the rows (L,) of the text vectors, -1 where there is none.
            use_words: whether an attribute with sentence vectors also has a token with the set of its known words.
        """
        columns, keys, bins = TokenColumns(), attribute_keys(vocabulary), bin_offsets(vocabulary)
        for entry in vocabulary.attributes:
            kind = type_of(entry.kind)
            if not set(kind.columns(entry.name)) <= set(listings):
                continue
            if kind.sentences:
                columns.add_texts(keys[entry.name], text_rows.get(entry.name))
                if not use_words:
                    continue
            for values in kind.tokenize(entry, listings):
                number = None if values.bin is None else bins[entry.name] + values.bin
                parts = {"value": values.value, "bin": number, "fraction": values.fraction}
                columns.add(values.listing, keys[entry.name] + values.key, values.sets, **parts)
        columns.add_photos(vocabulary, photo_rows)
        return columns.tokens(len(listings))


#: The ways to write a listing as tokens, by their names in `features.tokenisation`, as "module:Class".
TOKENIZERS = {
    "tabular": "listing_vibes.features.tokens.tabular:Tokenizer",
    "wordpiece": "listing_vibes.variants.word_pieces:WordPieces",
}


def tokenizer_of(name: str) -> Tokenizer:
    """Return the tokenizer of this name."""
    tokenizer: Tokenizer = load(TOKENIZERS[name])()
    return tokenizer
