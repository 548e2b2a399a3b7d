"""Occlusion: encode listings without one of their parts, and histories without one of their events.

The rest is encoded like any listing of the space, so an explanation is exact for the space, not an approximation
(occlusion: Zeiler and Fergus 2014, arXiv 1311.2901).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from listing_vibes.cache import cached_per_object
from listing_vibes.features.content_spaces import attribute_featurizer, attribute_vectors
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.merging import join_features
from listing_vibes.features.units import unit_rows
from listing_vibes.insight.explain.listing_photos import listing_photos
from listing_vibes.insight.explain.parts import Part, parts_of, take_tokens
from listing_vibes.market.log import EventLog
from listing_vibes.run.histories import HistoryBatch
from listing_vibes.run.run import Run

NEWEST = 30  # number of newest events that are left out one by one; older ones add little
CACHED = 2_000  # maximum number of cached listings per run, with their vectors without each part


@dataclass(frozen=True, eq=False)
class OccludedListing:
    """A listing in a space: its vector (d,), and its vector without each part, zeros if nothing remains."""

    vector: np.ndarray
    without: dict[Part, np.ndarray]


def occlude_listings(run: Run, space: str, rows: Sequence[int]) -> list[OccludedListing]:
    """Encode listings of a run in a space, and without each of their attributes and photos.

    A space of the market's vectors has no parts.

    Raises:
        VibesError: see `parts_of` (model) and `listing_photos` (photos).
    """
    match space:
        case "model":
            return _occlude_in_model(run, rows)
        case "attributes":
            featurizer, features = _attribute_features(run)
            available = features.tokens.listings

            def encode(chosen: Features) -> np.ndarray:
                return attribute_vectors(featurizer, join_features(features, chosen), fitted=available)[
                    available:
                ]

            return _occlude(featurizer, features, rows, encode)
        case "photos":
            return [_occlude_photos(run, row) for row in rows]
    return [OccludedListing(run.index(space).vectors[row], {}) for row in rows]


def _occlude_in_model(run: Run, rows: Sequence[int]) -> list[OccludedListing]:
    """Return occluded listings; they do not depend on the history, so they are cached."""
    cache = _model_cache(run)
    new = [row for row in dict.fromkeys(rows) if row not in cache]
    values = {row: cache[row] for row in rows if row in cache}
    if new:
        engine = run.engine.in_float32()  # the effect of a part is small, below the precision of bfloat16
        occluded = _occlude(
            engine.featurizer,
            engine.features,
            new,
            lambda chosen: replace(engine, features=chosen).encode_listings(),
        )
        values |= zip(new, occluded, strict=True)
        cache.update(values)
        while len(cache) > CACHED:
            cache.pop(next(iter(cache)), None)
    return [values[row] for row in rows]


@cached_per_object
def _model_cache(run: Run) -> dict[int, OccludedListing]:
    return {}


@cached_per_object
def _attribute_features(run: Run) -> tuple[Featurizer, Features]:
    featurizer = attribute_featurizer(run.market)
    return featurizer, featurizer.transform(run.market, None)


def _occlude(
    featurizer: Featurizer, features: Features, rows: Sequence[int], encode: Callable[[Features], np.ndarray]
) -> list[OccludedListing]:
    """Encode listings and their variants in one pass."""
    parts = [parts_of(featurizer, features.tokens, row) for row in rows]
    chosen: list[tuple[int, np.ndarray]] = []
    for row, masks in zip(rows, parts, strict=True):
        count = int(features.tokens.offset[row + 1] - features.tokens.offset[row])
        chosen += [(row, np.ones(count, bool)), *((row, ~mask) for mask in masks.values() if not mask.all())]
    vectors = iter(encode(replace(features, tokens=take_tokens(features.tokens, chosen))))
    results = []
    for masks in parts:
        vector = next(vectors)
        without = {
            part: np.zeros_like(vector) if mask.all() else next(vectors) for part, mask in masks.items()
        }
        results.append(OccludedListing(vector, without))
    return results


def _occlude_photos(run: Run, row: int) -> OccludedListing:
    """Return a listing of the photo space, the mean of its photos, without each of them."""
    vectors = listing_photos(run, row).vectors
    total = vectors.sum(axis=0)
    units = unit_rows(np.stack([total, *(total - vectors)]))  # sums have the same directions as means
    units[1:] *= len(vectors) > 1
    return OccludedListing(units[0], {Part("photo", number=n): unit for n, unit in enumerate(units[1:])})


class OccludedHistory(NamedTuple):
    """The model's scores of all listings for a history, and without each of T events."""

    scores: np.ndarray  # (1 + T, L) float32, the history first
    events: np.ndarray  # (T,) rows of the log, the events that were left out
    vector: np.ndarray  # (1, d) of the history
    history: HistoryBatch
    shorter: HistoryBatch | None  # the T remaining histories; None if no event remains


def without_each(run: Run, log: EventLog, start: int, end: int, newest: int = NEWEST) -> OccludedHistory:
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
