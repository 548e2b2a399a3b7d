"""Assignment of a listing's tokens to its parts: attributes and photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_ranks import rank_name
from listing_vibes.features.tokens.tabular import Tokens, attribute_keys, photo_key, piece_keys, text_key
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.attribute_types import type_of


@dataclass(frozen=True)
class Part:
    """An attribute by its name, or a photo by its number among the encoded ones."""

    kind: Literal["attribute", "photo"]
    name: str = ""
    number: int = 0


def parts_of(featurizer: Featurizer, tokens: Tokens, row: int) -> dict[Part, np.ndarray]:
    """Return a mask (n,) bool of the tokens of each part of the listing `row`.

    Raises:
        VibesError: the listing is encoded as word pieces that cannot be assigned to attributes.
    """
    rows = slice(int(tokens.offset[row]), int(tokens.offset[row + 1]))
    vocabulary, key, has_photo = featurizer.vocabulary, tokens.key[rows], tokens.photo[rows] >= 0
    named = _pieces(vocabulary, key) if vocabulary.pieces else {}
    for name, keys in _keys(vocabulary).items():
        named[name] = np.isin(key, keys) | named.get(name, False)
    for name in featurizer.within.numbers if featurizer.within is not None else ():
        rank = named.pop(rank_name(name), None)  # a number and its rank are the same attribute
        if rank is not None:
            named[name] = rank | named.get(name, False)
    parts = {Part("attribute", name): mask for name, mask in named.items() if mask.any()}
    for view, name in enumerate(featurizer.vectors, len(featurizer.photo_reducers)):
        mask = (key == photo_key(vocabulary, view)) & has_photo
        if mask.any():
            parts[Part("attribute", name)] = mask
    for view in range(len(featurizer.photo_reducers)):
        for number, token in enumerate(np.flatnonzero((key == photo_key(vocabulary, view)) & has_photo)):
            parts.setdefault(Part("photo", number=number), np.zeros(len(key), bool))[token] = True
    return parts


def take_tokens(tokens: Tokens, chosen: list[tuple[int, np.ndarray]]) -> Tokens:
    """Return one listing for each (row, mask): the listing `row` with the tokens selected by `mask` (n,)."""
    rows = [int(tokens.offset[row]) + np.flatnonzero(mask) for row, mask in chosen]
    source = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    return tokens.taken(source, np.array([len(row) for row in rows], np.int64))


def _keys(vocabulary: Vocabulary) -> dict[str, list[int]]:
    """Return the keys of each attribute's tokens; for word pieces only those of the sentence vectors."""
    first, result = attribute_keys(vocabulary), {}
    for entry in vocabulary.attributes:
        kind = type_of(entry.kind)
        keys = [] if vocabulary.pieces else [first[entry.name] + key for key in range(kind.keys)]
        if kind.sentences:
            keys += [text_key(vocabulary, entry.name, view) for view in range(vocabulary.text_views)]
        result[entry.name] = keys
    return result


def _pieces(vocabulary: Vocabulary, key: np.ndarray) -> dict[str, np.ndarray]:
    """Return the word pieces of each attribute. A new attribute starts where a piece of a name follows a piece of a value."""
    name_key, value_key = piece_keys(vocabulary)
    pieces = np.flatnonzero(np.isin(key, (name_key, value_key)))
    begins = (key[pieces] == name_key) & np.concatenate([[True], key[pieces][:-1] == value_key])
    number = np.cumsum(begins) - 1
    if len(pieces) and number[-1] + 1 != len(vocabulary.attributes):
        raise VibesError(
            "This model reads attributes as word pieces, which cannot be assigned to attributes for a listing with missing "
            'values; compare by photos, or train with features.tokenisation = "tabular".'
        )
    return {
        entry.name: np.isin(np.arange(len(key)), pieces[number == place])
        for place, entry in enumerate(vocabulary.attributes)
    }
