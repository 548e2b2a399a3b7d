"""The vocabulary of attribute values, fitted on the training period only; see also `listing_vibes.market.attribute_types`."""

import numpy as np
import pandas as pd
from pydantic import BaseModel

from listing_vibes.market.attribute_types import Attribute, AttributeVocabulary, type_of

MIN_COUNT = 2  # minimum number of listings with a value
BINS = 24  # quantile bins of a number
BUCKETS = 8  # quantile buckets of a duration


class Vocabulary(BaseModel):
    """The vocabularies of all attributes, of the actions and the duration buckets, and all other sizes of a model."""

    attributes: list[AttributeVocabulary]
    actions: list[str] = []
    duration_edges: list[float] = []  # inner quantile edges, seconds
    size: int = 1  # ids of the attributes, or of the word pieces; 0 included
    #: Of word-piece tokenization: the pieces of ids 1, 2, ...; the first is for unknown ones.
    pieces: list[str] = []
    photo_views: int = 1  # of photos and precomputed vectors, each with its own tokens and linear layer

    @property
    def total(self) -> int:
        """The number of ids: those of the attributes (or word pieces), of the actions and of the duration buckets."""
        return self.size + len(self.actions) + len(self.duration_edges) + 1

    @property
    def sentences(self) -> list[str]:
        """The attributes with sentence vectors."""
        return [entry.name for entry in self.attributes if type_of(entry.kind).sentences]

    def attribute(self, name: str) -> AttributeVocabulary | None:
        """Return the vocabulary of an attribute; None where it has none."""
        return next((entry for entry in self.attributes if entry.name == name), None)


def fit_vocabulary(
    listings: pd.DataFrame, attributes: list[Attribute], actions: list[str], durations: np.ndarray
) -> Vocabulary:
    """Fit on the training `listings` and on the training events' `durations` (seconds, NaN unknown)."""
    entries = [type_of(item.kind).fit(listings, item.name, BINS, MIN_COUNT) for item in attributes]
    size, edges = number_values(entries), duration_edges(durations)
    return Vocabulary(attributes=entries, actions=actions, duration_edges=edges, size=size)


def number_values(entries: list[AttributeVocabulary]) -> int:
    """Set the first id of each entry, one after the other from 1, and return the number of ids, 0 included."""
    following = 1
    for entry in entries:
        entry.first = following
        following += entry.size
    return following


def duration_edges(durations: np.ndarray) -> list[float]:
    """Return inner edges (at most `BUCKETS` - 1, ascending) of quantile buckets of durations (seconds, NaN unknown)."""
    durations = durations[np.isfinite(durations)]
    if not len(durations):
        return []
    edges = np.unique(np.quantile(durations, np.linspace(0, 1, BUCKETS + 1)[1:-1]))
    return [float(edge) for edge in edges]


def extend_vocabulary(old: Vocabulary, new: Vocabulary, listings: pd.DataFrame) -> Vocabulary:
    """Return `old` extended by what only `new` has, fitted on the `listings` of a new market; known values, bins of numbers and
    grids of locations stay.

    An attribute whose values are mostly outside those bins or grids (see `AttributeType.outgrown`) gets those of `new`.
    """
    brought = {entry.name: entry for entry in new.attributes}
    entries = [_merge_entries(entry, brought.pop(entry.name, None), listings) for entry in old.attributes]
    entries += [entry.model_copy() for entry in brought.values()]
    pieces = old.pieces + _new_in(new.pieces, old.pieces)
    size = number_values(entries)
    return Vocabulary(
        attributes=entries,
        actions=old.actions + _new_in(new.actions, old.actions),
        duration_edges=old.duration_edges or new.duration_edges,
        size=1 + len(pieces) if pieces else size,
        pieces=pieces,
    )


def _merge_entries(
    old: AttributeVocabulary, new: AttributeVocabulary | None, listings: pd.DataFrame
) -> AttributeVocabulary:
    if new is None:
        return old.model_copy()
    changed: dict[str, object] = {"values": old.values + _new_in(new.values, old.values)}
    if type_of(old.kind).outgrown(old, listings):
        changed |= {"edges": new.edges, "grids": new.grids}
    return old.model_copy(update=changed)


def _new_in(values: list[str], available: list[str]) -> list[str]:
    """Return those of `values` that are not in `available`, in their order."""
    existing = set(available)
    return [value for value in values if value not in existing]
