"""Word-piece tokenization: a listing as a sentence of its attributes' names and values.

Recformer (Li et al. 2023, arXiv 2305.13731): "title house by the sea price 120 ...", key words and value words distinguished
by a token type. The pieces are those of MiniLM's tokenizer that occur in the training period; others share one
id. Each attribute is truncated first, then the longest ones until the listing fits its budget.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import needs
from listing_vibes.features.texts.text_encoder import minilm_folder
from listing_vibes.features.tokens.tabular import (
    ListingTokens,
    TokenColumns,
    Tokenizer,
    ViewRows,
    attribute_keys,
    piece_keys,
)
from listing_vibes.features.tokens.vocabulary import Vocabulary, duration_edges
from listing_vibes.market.attribute_types import Attribute, AttributeVocabulary, type_of

UNKNOWN = "[UNK]"
#: The most word tokens of a listing, and tokens of an attribute.
LISTING_TOKENS, ATTRIBUTE_TOKENS = 64, 32
Pieces = list[np.ndarray]  # the tokenizer's ids for each listing


class WordPieces(Tokenizer):
    """The tokens of a listing are the word pieces of its attributes' names and values."""

    def fit(
        self, listings: pd.DataFrame, attributes: list[Attribute], actions: list[str], durations: np.ndarray
    ) -> Vocabulary:
        """Fit the vocabulary of pieces in the training `listings`, the actions, and buckets of the durations (seconds)."""
        entries = [
            AttributeVocabulary(
                name=attribute.name, kind=attribute.kind, label=attribute.label or attribute.name
            )
            for attribute in attributes
        ]
        tokenizer = _tokenizer()
        spoken = (ids for entry in entries for ids in (_label(entry), *_values(entry, listings)))
        results = {piece for ids in spoken for piece in ids.tolist()} - {tokenizer.unk_token_id}
        names = [UNKNOWN, *tokenizer.convert_ids_to_tokens(sorted(results))]
        edges = duration_edges(durations)
        return Vocabulary(
            attributes=entries, actions=actions, duration_edges=edges, size=1 + len(names), pieces=names
        )

    def most_tokens(self, vocabulary: Vocabulary, use_words: bool) -> int:
        return LISTING_TOKENS if vocabulary.attributes else 0

    def common(self, vocabulary: Vocabulary, parts: Sequence[pd.DataFrame]) -> Vocabulary:
        """Return the vocabulary itself: pieces of words are those of a language, not of a market."""
        return vocabulary

    def initialize(self, model: Any, vocabulary: Vocabulary, width: int) -> None:
        """Initialize the pieces by MiniLM's vectors of them."""
        import torch

        vectors = torch.from_numpy(word_vectors(vocabulary, width))
        with torch.no_grad():
            model.embedder.value.weight[1 : 1 + len(vectors)] = vectors

    def tokenize(
        self,
        vocabulary: Vocabulary,
        listings: pd.DataFrame,
        photo_rows: Sequence[ViewRows],
        text_rows: Mapping[str, np.ndarray],
        use_words: bool = True,
    ) -> ListingTokens:
        """Return the tokens of all `listings`: the words of each known attribute, then the text vectors, then the photos."""
        tokenizer = _tokenizer()
        ours = np.ones(len(tokenizer), np.int32)  # by the tokenizer's number; 1 = unknown
        ours[tokenizer.convert_tokens_to_ids(vocabulary.pieces[1:])] = np.arange(
            2, 1 + len(vocabulary.pieces)
        )
        spoken = [_spoken(entry, listings) for entry in vocabulary.attributes]
        lengths = (
            np.array([[len(ids) for ids in column] for column, _ in spoken]).reshape(-1, len(listings)).T
        )
        stored = fair_cut(lengths, LISTING_TOKENS)  # (L, A)
        key_word, value_word = piece_keys(vocabulary)
        columns, keys = TokenColumns(), attribute_keys(vocabulary)
        for number, (column, names) in enumerate(spoken):
            count = stored[:, number]
            present = np.flatnonzero(count > 0)
            if not len(present):
                continue
            value = np.concatenate([column[row][: count[row]] for row in present])
            inside = np.concatenate([np.arange(count[row]) for row in present])
            words = np.where(inside < names, key_word, value_word)
            columns.add(np.repeat(present, count[present]), words, value=ours[value])
        for name in vocabulary.sentences:
            columns.add_texts(keys[name], text_rows.get(name))
        columns.add_photos(vocabulary, photo_rows)
        return columns.tokens(len(listings))


def fair_cut(lengths: np.ndarray, budget: int) -> np.ndarray:
    """Return (L, A) tokens of each attribute after truncating the longest ones, with at most `budget` for each listing."""
    stored = lengths.copy()
    for row in np.flatnonzero(lengths.sum(axis=1) > budget):
        ascending, left = np.sort(lengths[row]), budget
        for place, length in enumerate(ascending):
            share = left // (len(ascending) - place)
            if length > share:  # the remaining ones are cut to this share; the first ones get the remainder
                stored[row] = np.minimum(lengths[row], share)
                longer = np.flatnonzero(lengths[row] > share)
                stored[row, longer[: budget - stored[row].sum()]] += 1
                break
            left -= length
    return stored


def word_vectors(vocabulary: Vocabulary, width: int) -> np.ndarray:
    """Return (pieces, width) float32: MiniLM's vectors of the pieces, reduced to mean norm 1, for initialization."""
    from safetensors import safe_open

    from listing_vibes.features.reduce import Reducer

    folder, tokenizer = minilm_folder(), _tokenizer()
    with safe_open(folder / "model.safetensors", "numpy") as opened:
        full = opened.get_tensor("embeddings.word_embeddings.weight")  # (30522, 384)
    chosen = full[tokenizer.convert_tokens_to_ids(vocabulary.pieces)].astype(np.float32)
    return Reducer.fit(chosen, width).transform(chosen)


def _spoken(entry: AttributeVocabulary, listings: pd.DataFrame) -> tuple[Pieces, int]:
    """Return for each listing the pieces of name and value, none where the value is missing; and the number of name pieces."""
    name = _label(entry)[: ATTRIBUTE_TOKENS - 1]
    values = _values(entry, listings, ATTRIBUTE_TOKENS - len(name))
    return [np.concatenate([name, ids]) if len(ids) else ids for ids in values], len(name)


def _label(entry: AttributeVocabulary) -> np.ndarray:
    return np.array(_tokenizer()(entry.label, add_special_tokens=False)["input_ids"], np.int64)


def _values(entry: AttributeVocabulary, listings: pd.DataFrame, most: int = ATTRIBUTE_TOKENS) -> Pieces:
    """Return for each listing at most `most` pieces of its value."""
    kind, cells = type_of(entry.kind), [""] * len(listings)
    if set(kind.columns(entry.name)) <= set(listings):
        cells = [" ".join(words.split()) for words in kind.words(listings, entry.name)]
    distinct = sorted(set(cells))
    given = _tokenizer()(distinct, add_special_tokens=False, truncation=True, max_length=most)["input_ids"]
    pieces = {cell: np.array(ids[:most], np.int64) for cell, ids in zip(distinct, given or [], strict=True)}
    return [pieces[cell] for cell in cells]


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    with needs("Word-piece tokenisation"):
        from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)
