"""The parts that a listing tells the model, attribute by attribute and photo by photo, and listings without one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.tokens.tabular import Tokens, attribute_keys, photo_key, piece_keys, text_key
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.features.within import inside
from listing_vibes.market.attribute_types import type_of


@dataclass(frozen=True)
class Part:
    """An attribute by its name, or a photo by its place among those that the model is told."""

    kind: Literal["attribute", "photo"]
    name: str = ""
    place: int = 0


def parts_of(featurizer: Featurizer, tokens: Tokens, row: int) -> dict[Part, np.ndarray]:
    """For each part of the listing `row` which of its tokens (n,) bool tell it.

    Raises:
        VibesError: the listing was told in word pieces that cannot be told apart.
    """
    mine = slice(int(tokens.offset[row]), int(tokens.offset[row + 1]))
    vocabulary, key = featurizer.vocabulary, tokens.key[mine]
    told = _pieces(vocabulary, key) if vocabulary.pieces else {}
    for name, keys in _keys(vocabulary).items():
        found = np.isin(key, keys)
        told[name] = told[name] | found if name in told else found
    for name in featurizer.within.numbers if featurizer.within is not None else ():
        rank = told.pop(inside(name), None)  # the amount and its rank are one attribute
        if rank is not None:
            told[name] = told[name] | rank if name in told else rank
    parts = {Part("attribute", name): found for name, found in told.items() if found.any()}
    for view, name in enumerate(featurizer.vectors, len(featurizer.photo_reducers)):
        shown = (key == photo_key(vocabulary, view)) & (tokens.photo[mine] >= 0)
        if shown.any():
            parts[Part("attribute", name)] = shown
    for view in range(len(featurizer.photo_reducers)):
        shown = np.flatnonzero((key == photo_key(vocabulary, view)) & (tokens.photo[mine] >= 0))
        for place, at in enumerate(shown):
            part = Part("photo", place=place)
            parts.setdefault(part, np.zeros(len(key), bool))[at] = True
    return parts


def picked(tokens: Tokens, chosen: list[tuple[int, np.ndarray]]) -> Tokens:
    """One listing for each (row, kept): the listing `row` with those of its tokens (n,) where `kept` holds."""
    rows = [int(tokens.offset[row]) + np.flatnonzero(kept) for row, kept in chosen]
    source = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    return tokens.taken(source, np.array([len(one) for one in rows], np.int64))


def _keys(vocabulary: Vocabulary) -> dict[str, list[int]]:
    """The keys of each attribute's tokens; of word pieces only those of the sentence vectors."""
    keys = attribute_keys(vocabulary)
    found = {}
    for entry in vocabulary.attributes:
        kind = type_of(entry.kind)
        mine = [] if vocabulary.pieces else [keys[entry.name] + key for key in range(kind.keys)]
        if kind.sentences:
            mine += [text_key(vocabulary, entry.name, view) for view in range(vocabulary.text_views)]
        found[entry.name] = mine
    return found


def _pieces(vocabulary: Vocabulary, key: np.ndarray) -> dict[str, np.ndarray]:
    """The word pieces of each attribute. A name begins where a piece of a name follows one of a value."""
    name_key, value_key = piece_keys(vocabulary)
    pieces = np.flatnonzero(np.isin(key, (name_key, value_key)))
    begins = (key[pieces] == name_key) & np.concatenate([[True], key[pieces][:-1] == value_key])
    number = np.cumsum(begins) - 1
    if len(pieces) and number[-1] + 1 != len(vocabulary.attributes):
        raise VibesError(
            "This model reads attributes as word pieces, and a listing that lacks some of them does not say which "
            'pieces are whose; compare by photos, or train with features.tokenisation = "tabular".'
        )
    found = {}
    for place, entry in enumerate(vocabulary.attributes):
        told = np.zeros(len(key), bool)
        told[pieces[number == place]] = True
        found[entry.name] = told
    return found
