"""Occlusion: encode listings without one of their parts, and histories without one of their events.

The rest is encoded like any listing of the space, so an explanation is exact for the space, not an approximation
(occlusion: Zeiler and Fergus 2014, arXiv 1311.2901).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from listing_vibes.cache import Cache, cached_per_object
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.market_ranks import rank_name
from listing_vibes.features.tokens.tabular import PHOTO, Tokens, attribute_keys, photo_key
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.features.units import unit_rows
from listing_vibes.insight.explain.listing_photos import listing_photos, photo_positions
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.log import EventLog
from listing_vibes.run.histories import HistoryBatch
from listing_vibes.run.newcomers import attribute_features, encode_attributes
from listing_vibes.run.run import Run

NEWEST = 30  # number of newest events that are left out one by one; older ones add little
CACHED = 2_000  # number of cached listings per run, with their vectors without each part


class Part(NamedTuple):
    """An attribute by its name, or a photo by its position in the listing."""

    kind: Literal["attribute", "photo"]
    name: str | int


class OccludedListing(NamedTuple):
    """A listing in a space: its vector (d,), and its vector without each part, zeros if nothing remains."""

    vector: np.ndarray
    without: dict[Part, np.ndarray]


def occlude_listing(run: Run, space: str, row: int) -> OccludedListing:
    """Encode a listing of a run in a space, and without each of its attributes and photos.

    A space of the market's vectors has no parts.

    Raises:
        VibesError: see `listing_photos` (photos).
    """
    match space:
        case "model":  # It does not depend on the history, so it is cached.
            return _model_cache(run).get(row, lambda: _occlude_in_model(run, row))
        case "attributes":
            count = len(run.listing_ids)
            return _occlude(
                run, *attribute_features(run), row, lambda chosen: encode_attributes(run, chosen)[count:]
            )
        case "photos":
            return _occlude_photos(run, row)
    return OccludedListing(run.index(space).vectors[row], {})


@cached_per_object
def _model_cache(run: Run) -> Cache[int, OccludedListing]:
    return Cache(CACHED)


def _occlude_in_model(run: Run, row: int) -> OccludedListing:
    engine = run.engine.in_float32()  # the effect of a part is small, below the precision of bfloat16

    def encode(chosen: Features) -> np.ndarray:
        return replace(engine, features=chosen).encode_listings()

    return _occlude(run, engine.featurizer, engine.features, row, encode)


def _occlude(
    run: Run, featurizer: Featurizer, features: Features, row: int, encode: Callable[[Features], np.ndarray]
) -> OccludedListing:
    """Encode a listing and its variants in one pass."""
    market, positions = run.market, photo_positions(run, row)
    names = {market.config.shared_name(item.name): item.name for item in market.attributes}
    tokens = np.arange(features.tokens.offset[row], features.tokens.offset[row + 1])
    parts = token_parts(featurizer, features.tokens, row)
    chosen = [tokens, *(tokens[~mask] for mask in parts.values() if not mask.all())]
    taken = features.tokens.taken(np.concatenate(chosen), np.array([len(item) for item in chosen], np.int64))
    vectors = iter(encode(replace(features, tokens=taken)))
    vector, without = next(vectors), {}
    for part, mask in parts.items():
        name = names.get(str(part.name), part.name)
        if part.kind == "photo" and positions is not None:
            name = int(positions[int(part.name)])
        without[Part(part.kind, name)] = np.zeros_like(vector) if mask.all() else next(vectors)
    return OccludedListing(vector, without)


def token_parts(featurizer: Featurizer, tokens: Tokens, row: int) -> dict[Part, np.ndarray]:
    """Return a mask (n,) bool of the tokens of each part of the listing `row`; photos are numbered among the encoded ones.

    Word pieces do not say which attribute they are of, so that of a listing in word pieces only photos and vectors are parts.
    """
    rows = slice(int(tokens.offset[row]), int(tokens.offset[row + 1]))
    vocabulary, key, has_photo = featurizer.vocabulary, tokens.key[rows], tokens.photo[rows] >= 0
    named = {name: np.isin(key, keys) for name, keys in _keys(vocabulary).items()}
    for name in featurizer.within.numbers if featurizer.within is not None else ():
        rank = named.pop(rank_name(name), None)  # a number and its rank are the same attribute
        if rank is not None:
            named[name] = rank | named.get(name, False)
    reads_photos = featurizer.photo is not None
    for view, name in enumerate(featurizer.vectors, int(reads_photos)):
        named[name] = (key == photo_key(vocabulary, view)) & has_photo
    parts = {Part("attribute", name): mask for name, mask in named.items() if mask.any()}
    for number, token in enumerate(np.flatnonzero((key == PHOTO) & has_photo) if reads_photos else ()):
        parts[Part("photo", number)] = np.arange(len(key)) == token
    return parts


def _keys(vocabulary: Vocabulary) -> dict[str, list[int]]:
    """Return the keys of each attribute's tokens; for word pieces only those of the sentence vectors."""
    first, result = attribute_keys(vocabulary), {}
    for entry in vocabulary.attributes:
        kind = type_of(entry.kind)
        count = kind.keys if not vocabulary.pieces else int(kind.sentences)
        result[entry.name] = [first[entry.name] + key for key in range(count)]
    return result


def _occlude_photos(run: Run, row: int) -> OccludedListing:
    """Return a listing of the photo space, the mean of its photos, without each of them."""
    positions, vectors = listing_photos(run, row)
    total = vectors.sum(axis=0)
    units = unit_rows(np.stack([total, *(total - vectors)]))  # sums have the same directions as means
    units[1:] *= len(vectors) > 1
    without = {Part("photo", int(n)): unit for n, unit in zip(positions, units[1:], strict=True)}
    return OccludedListing(units[0], without)


class OccludedHistory(NamedTuple):
    """The model's scores of all listings for a history, and without each of T events."""

    scores: np.ndarray  # (1 + T, L) float32, the history first
    events: np.ndarray  # (T,) rows of the log, the events that were left out
    vector: np.ndarray  # (1, d) of the history
    history: HistoryBatch
    shorter: HistoryBatch | None  # the T remaining histories; None if no event remains


def occlude_history(run: Run, log: EventLog, start: int, end: int, newest: int = NEWEST) -> OccludedHistory:
    """Return the model's scores of all listings for the history `start : end` of `log`, and without each of its newest events.

    A history is encoded with the run's vectors of its listings, as for lists. Without its only event the history is empty,
    and all scores are 0.
    """
    vectors, late = run.vectors("model"), run.late_interaction
    rows = _read_events(log, start, end, run.manifest.settings.training.max_listings, late.learned)  # (E,)
    events = rows[-newest:]
    engine = run.engine.in_float32()
    history = HistoryBatch(log, rows[:1], rows[-1:] + 1)
    if len(rows) < rows[-1] + 1 - rows[0]:
        count = np.array([len(rows)])
        history = HistoryBatch(log.histories(rows, count), np.array([0]), count)
    vector = engine.encode_histories(*history, listings=vectors)  # (1, d)
    scores = late.scores(vector, vectors, vectors, *history)  # (1, L)
    if end - start == 1:
        return OccludedHistory(np.concatenate([scores, np.zeros_like(scores)]), events, vector, history, None)
    remaining = np.concatenate([rows[rows != event] for event in events])
    part = log.histories(remaining, np.full(len(events), len(rows) - 1))
    shorter = HistoryBatch(part, part.start[:-1], part.start[1:])
    without = engine.encode_histories(*shorter, listings=vectors)  # (T, d)
    scores = np.concatenate([scores, late.scores(without, vectors, vectors, *shorter)])
    return OccludedHistory(scores, events, vector, history, shorter)


def _read_events(log: EventLog, start: int, end: int, most: int, learned: bool) -> np.ndarray:
    """Return the rows (E,) of the history `start : end` that affect its scores, for a model that reads the newest `most`.

    They include one more event than the model reads, which moves up if another is left out, and all unwanted ones, which count
    at any age. A model that was not trained with unwanted events (`learned`) reads the newest of the others.
    """
    rows = np.arange(start, end)
    if not log.has_negatives:
        return rows[-(most + 1) :]
    requested = log.is_positive[rows]
    read = rows if learned else rows[requested]
    return np.union1d(read[-(most + 1) :], rows[~requested])
