"""The vocabulary of a model that goes on learning: all that it knows, and what a new market brings."""

import pandas as pd

from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.kinds import AttributeVocabulary, kind_of


def extended(old: Vocabulary, new: Vocabulary, listings: pd.DataFrame) -> Vocabulary:
    """`old` and what is in `new` alone; what is known keeps its order, and its numbers' bins and places' grids.

    An attribute whose values lie mostly beyond those bins or grids (see `Kind.outgrown`) gets those of `new`.

    Args:
        new: fitted on the new market alone, its attributes of the kinds that they have in `old`.
        listings: of the new market, those that `new` was fitted on.
    """
    brought = {entry.name: entry for entry in new.attributes}
    entries = [_merged(entry, brought.pop(entry.name, None), listings) for entry in old.attributes]
    entries += [entry.model_copy() for entry in brought.values()]
    pieces = old.pieces + _missing(new.pieces, old.pieces)
    following = 1
    for entry in entries:
        entry.first = following if entry.size else entry.first
        following += entry.size
    return Vocabulary(
        attributes=entries,
        actions=old.actions + _missing(new.actions, old.actions),
        duration_edges=old.duration_edges or new.duration_edges,
        size=1 + len(pieces) if pieces else following,
        pieces=pieces,
    )


def _merged(
    old: AttributeVocabulary, new: AttributeVocabulary | None, listings: pd.DataFrame
) -> AttributeVocabulary:
    if new is None:
        return old.model_copy()
    changed: dict[str, object] = {"values": old.values + _missing(new.values, old.values)}
    if kind_of(old.kind).outgrown(old, listings):
        changed |= {"edges": new.edges, "grids": new.grids}
    return old.model_copy(update=changed)


def _missing(wanted: list[str], known: list[str]) -> list[str]:
    there = set(known)
    return [one for one in wanted if one not in there]
