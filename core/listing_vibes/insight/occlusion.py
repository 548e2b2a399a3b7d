"""Occlusion: encode listings without one of their parts, and histories without one of their events.

The rest is encoded like any listing of the space, so an explanation is exact for the space, not an approximation
(occlusion: Zeiler and Fergus 2014, arXiv 1311.2901).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import numpy as np

from listing_vibes.cache import Cache, cached_per_object
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors, embed_photos, load_photo_vectors
from listing_vibes.features.reduce import unit_rows
from listing_vibes.features.several_markets import rank_name
from listing_vibes.features.tokens.tabular import PHOTO, Tokens, attribute_keys, photo_key
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.run.histories import HistoryBatch
from listing_vibes.run.newcomers import Newcomers, attribute_space, encode_attributes, load_run_encoder
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
    """
    match space:
        case "model":  # It does not depend on the history, so it is cached.
            return _model_cache(run).get(row, lambda: _occlude_in_model(run, row))
        case "attributes":
            attributes, count = attribute_space(run), len(run.listing_ids)
            return _occlude(
                run,
                attributes.featurizer,
                attributes.features,
                row,
                lambda chosen: encode_attributes(run, chosen)[count:],
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
    vectors, late, engine = run.vectors("model"), run.late_interaction, run.engine.in_float32()
    rows = np.arange(start, end)
    events, history = rows[-newest:], HistoryBatch(log, rows[:1], rows[-1:] + 1)
    vector = engine.encode_histories(*history, listings=vectors)  # (1, d)
    scores = late.scores(vector, vectors, vectors, *history)  # (1, L)
    if len(rows) == 1:
        return OccludedHistory(np.concatenate([scores, np.zeros_like(scores)]), events, vector, history, None)
    remaining = np.concatenate([rows[rows != event] for event in events])
    part = log.histories(remaining, np.full(len(events), len(rows) - 1))
    shorter = HistoryBatch(part, part.start[:-1], part.start[1:])
    without = engine.encode_histories(*shorter, listings=vectors)  # (T, d)
    scores = np.concatenate([scores, late.scores(without, vectors, vectors, *shorter)])
    return OccludedHistory(scores, events, vector, history, shorter)


def listing_photos(run: Run, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the m photos with a vector of the listing `row`: positions (m,) int64, 0 is the cover, and vectors (m, w) float32.

    The vectors are those that the market has cached, or the photos are embedded. They are centered at the mean of the market
    and L2-normalized.

    Raises:
        VibesError: the photos are not embedded, and the run's encoder or the center of its photo space is not available.
    """
    rows = _photo_rows(run).get(run.listing_ids[row], np.arange(0))
    if not len(rows):
        return rows, np.zeros((0, 1), np.float32)
    cached, center = _cached_vectors(run), run.photo_center
    if center is None:
        raise VibesError(
            "The vectors of the photos are not available; make a run with them by `vibes embed`."
        )
    if cached is not None:
        vectors, ok = cached.vectors[rows], cached.ok[rows]
    else:
        encoder, table = load_run_encoder(run, run.manifest.photo_encoder), run.market.photos.iloc[rows]
        with TemporaryDirectory(prefix="vibes-") as folder:
            embedded = embed_photos(run.market.path, table, encoder, cache=Path(folder))
        vectors, ok = embedded.vectors, embedded.ok
    return np.flatnonzero(ok), unit_rows(np.asarray(vectors[ok], np.float32) - center)


def photo_positions(run: Run, row: int) -> np.ndarray | None:
    """Return the positions of the photos of the listing `row` with a cached vector, (m,) int64; None without a cache."""
    cached = _cached_vectors(run)
    rows = _photo_rows(run).get(run.listing_ids[row], np.arange(0))
    return None if cached is None else np.flatnonzero(cached.ok[rows])


def compare_photos(
    run: Run, first: str | bytes, second: str
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the cosine of each photo of a listing with each of another, (m, n), and the positions of these photos.

    Args:
        first: a listing, or the content of a photo file (m = 1).
        second: a listing.

    Raises:
        VibesError: a listing is unknown, the photo cannot be used, or see `listing_photos`.
    """
    if isinstance(first, bytes):
        encoded = Newcomers(run).encode({}, [first], ["photos"])
        if "photos" not in encoded.vectors:
            reason = next((reason for _, reason in encoded.broken), "cannot be compared in this run")
            raise VibesError(f"The photo {reason}; give another file.")
        mine, left = np.zeros(1, np.int64), encoded.vectors["photos"][None]
    else:
        mine, left = listing_photos(run, run.row(first))
    theirs, right = listing_photos(run, run.row(second))
    if not len(mine) or not len(theirs):
        return np.zeros((0, 0), np.float32), (np.arange(0), np.arange(0))
    return left @ right.T, (mine, theirs)


@cached_per_object
def _photo_rows(run: Run) -> dict[str, np.ndarray]:
    """Return the rows of the photos table by listing."""
    groups = run.market.photos.groupby(C.LISTING, sort=False).indices
    return {str(name): rows for name, rows in groups.items()}


@cached_per_object
def _cached_vectors(run: Run) -> PhotoVectors | None:
    market, name = run.market, run.manifest.photo_encoder
    photos = load_photo_vectors(market.path, market.photos, name) if name and len(market.photos) else None
    return None if photos is None or not photos.ok.any() else photos
