"""The meaning of each row of an embedding table, by which trained rows are mapped to another vocabulary."""

from dataclasses import dataclass

import numpy as np

from listing_vibes.features.tokens.tabular import (
    attribute_keys,
    bin_offsets,
    key_count,
    photo_key,
    piece_keys,
    text_key,
)
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of

#: Identifies a row of a table, such as ("value", "district", "Harbour").
Meaning = tuple[str, ...]
#: Unused rows.
NOTHING: Meaning = ()


@dataclass(frozen=True)
class Rows:
    """The meaning of each row of the tables of keys, values and number bins."""

    key: list[Meaning]
    value: list[Meaning]
    bin: list[Meaning]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> "Rows":
        """Return the rows of a model with this vocabulary."""
        return cls(_keys(vocabulary), _values(vocabulary), _bins(vocabulary))


def places(meanings: list[Meaning], among: list[Meaning]) -> np.ndarray:
    """Return (N,) int64: the position of each of the N `meanings` among `among`, -1 where there is none."""
    available = {meaning: place for place, meaning in enumerate(among) if meaning}
    return np.array([available.get(meaning, -1) for meaning in meanings], np.int64)


def _keys(vocabulary: Vocabulary) -> list[Meaning]:
    result = [NOTHING] * key_count(vocabulary)
    for key, name in enumerate(("pad", "cls", "photo", "action", "duration")):
        result[key] = ("every model", name)
    for entry in vocabulary.attributes:
        first = attribute_keys(vocabulary)[entry.name]
        for key in range(type_of(entry.kind).keys):
            result[first + key] = ("key", entry.name, entry.kind, str(key))
    for view in range(1, vocabulary.text_views):
        for name in vocabulary.sentences:
            result[text_key(vocabulary, name, view)] = ("text", name, str(view))
    for view in range(1, vocabulary.photo_views):
        result[photo_key(vocabulary, view)] = ("photo", str(view))
    if vocabulary.pieces:
        for key, what in zip(piece_keys(vocabulary), ("name", "value"), strict=True):
            result[key] = ("piece of", what)
    return result


def _values(vocabulary: Vocabulary) -> list[Meaning]:
    result = [NOTHING] * vocabulary.total
    result[0] = ("none",)
    for place, piece in enumerate(vocabulary.pieces):
        result[1 + place] = ("piece", piece)
    for entry in vocabulary.attributes:
        result[entry.first : entry.first + entry.size] = _ids(entry)
    for place, action in enumerate(vocabulary.actions):
        result[vocabulary.size + place] = ("action", action)
    first = vocabulary.size + len(vocabulary.actions)
    for place in range(vocabulary.total - first):
        result[first + place] = ("duration", str(place))
    return result


def _ids(entry: AttributeVocabulary) -> list[Meaning]:
    """Return the meanings in the order of `AttributeVocabulary.size`."""
    ids: list[Meaning] = [("value", entry.name, value) for value in entry.values]
    ids += [("bucket", entry.name, str(place)) for place in range(entry.buckets)]
    rest = entry.size - len(ids)
    return ids + [("bin" if entry.edges else "cell", entry.name, str(place)) for place in range(rest)]


def _bins(vocabulary: Vocabulary) -> list[Meaning]:
    sizes = {entry.name: entry.size for entry in vocabulary.attributes}
    given: list[Meaning] = [
        ("bin", name, str(place)) for name in bin_offsets(vocabulary) for place in range(sizes[name])
    ]
    return [NOTHING, *given]
