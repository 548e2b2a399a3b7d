"""Occlusion: encode listings without one of their parts or with another value, and histories without one of their events.

The rest is encoded like any listing of the space, so an explanation is exact for the space, not an approximation
(occlusion: Zeiler and Fergus 2014, arXiv 1311.2901).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import numpy as np

from listing_vibes.cache import Cache, cached_per_object
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.photos.photo_vectors import PhotoVectors, embed_photos, load_photo_vectors
from listing_vibes.features.reduce import unit_rows
from listing_vibes.features.several_markets import rank_name
from listing_vibes.features.tokens.tabular import PHOTO, ListingTokens, attribute_keys, photo_key
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.values import sample_rows
from listing_vibes.run.histories import HistoryBatch
from listing_vibes.run.newcomers import Newcomers, attribute_space, encode_attributes, load_run_encoder
from listing_vibes.run.run import Run

COMPARED = 8192  # photos compared at a time
NEWEST = 30  # number of newest events that are left out one by one; older ones add little
CACHED = 2_000  # number of cached listings per run, with their vectors without each part
DONORS = 16  # number of other listings whose values stand for what is typical
PHOTOS = "photos"  # the name of all photos of a listing as one value


class Part(NamedTuple):
    """An attribute by its name, or a photo by its position in the listing."""

    kind: Literal["attribute", "photo"]
    name: str | int


class OccludedListing(NamedTuple):
    """A listing in a space: its vector (d,), and its vector without each part, zeros if nothing remains."""

    vector: np.ndarray
    without: dict[Part, np.ndarray]


def occlude_listing(run: Run, row: int) -> OccludedListing:
    """Encode a listing in the model's space, and without each of its attributes and photos."""
    return _occluded(run).get(row, lambda: _occlude(run, row))


@cached_per_object
def _occluded(run: Run) -> Cache[int, OccludedListing]:  # it does not depend on a history, so it is cached
    return Cache(CACHED)


def _occlude(run: Run, row: int) -> OccludedListing:
    engine, positions = run.engine.in_float32(), photo_positions(run, row)
    tokens = engine.features.tokens
    own = np.arange(tokens.offset[row], tokens.offset[row + 1])
    parts = token_parts(engine.featurizer, tokens, row)
    vectors = iter(
        encode_tokens(run, "model", [own, *(own[~mask] for mask in parts.values() if not mask.all())])
    )
    vector, without = next(vectors), {}
    for part, mask in parts.items():
        name = _name_of(run, part)
        if part.kind == "photo" and positions is not None:
            name = int(positions[int(part.name)])
        without[Part(part.kind, name)] = np.zeros_like(vector) if mask.all() else next(vectors)
    return OccludedListing(vector, without)


def _name_of(run: Run, part: Part) -> str | int:
    """Return the name of a part in the run's market, since a model of several markets has names that they share."""
    names = {run.market.config.shared_name(item.name): item.name for item in run.market.attributes}
    return names.get(str(part.name), part.name)


def encode_tokens(run: Run, space: str, chosen: Sequence[np.ndarray]) -> np.ndarray:
    """Encode listings of other tokens, (n, d) float32 in the space `model` or `attributes`; each is given by rows of the tokens.

    Effects of a part are small, below the precision of bfloat16.
    """
    if space == "model":
        engine = run.engine.in_float32()
        features = engine.features
    else:
        features = attribute_space(run).features
    sizes = np.array([len(item) for item in chosen], np.int64)
    features = replace(features, tokens=features.tokens.taken(np.concatenate(chosen), sizes))
    if space == "model":
        return replace(engine, features=features).encode_listings()
    return encode_attributes(run, features)[len(run.listing_ids) :]


class ReplacedListing(NamedTuple):
    """A listing in a space: its vector (d,), and by attribute its vectors (D, d) with the value of each of D other listings."""

    vector: np.ndarray
    by_attribute: dict[str, np.ndarray]


def replace_values(run: Run, space: str, row: int) -> ReplacedListing:
    """Encode a listing, and with each attribute, or all its photos (`PHOTOS`), replaced by those of a sample of other listings.

    Such values are what is typical for the market: a common value is often replaced by itself, a rare one never. Only the model
    and the attributes space have values.
    """
    return _replaced(run).get((space, row), lambda: _replace(run, space, row))


@cached_per_object
def _replaced(run: Run) -> Cache[tuple[str, int], ReplacedListing]:
    return Cache(CACHED)


def _replace(run: Run, space: str, row: int) -> ReplacedListing:
    source = run.engine if space == "model" else attribute_space(run)
    tokens, donors = source.features.tokens, sample_rows(len(run.listing_ids), DONORS)
    own = np.arange(tokens.offset[row], tokens.offset[row + 1])
    masks = [_value_masks(source.featurizer, tokens, other) for other in (row, *donors.tolist())]
    chosen = [own]
    for part, mask in masks[0].items():
        at = int(np.argmax(mask))
        before, after = own[:at], own[at:][~mask[at:]]
        for donor, others in zip(donors, masks[1:], strict=True):
            value = tokens.offset[donor] + np.flatnonzero(others.get(part, np.zeros(0, bool)))
            chosen.append(np.concatenate([before, value, after]))
    is_empty = np.array([not len(item) for item in chosen])
    encoded = encode_tokens(run, space, [item for item in chosen if len(item)])
    vectors = np.zeros((len(chosen), encoded.shape[1]), np.float32)
    vectors[~is_empty] = encoded
    blocks = vectors[1:].reshape(len(masks[0]), len(donors), -1)
    names = (str(_name_of(run, Part("attribute", name))) for name in masks[0])
    return ReplacedListing(vectors[0], dict(zip(names, blocks, strict=True)))


def _value_masks(featurizer: Featurizer, tokens: ListingTokens, row: int) -> dict[str, np.ndarray]:
    """Return a mask (n,) bool of the tokens of each attribute of a listing, and of all its photos (`PHOTOS`)."""
    masks: dict[str, np.ndarray] = {}
    for part, mask in token_parts(featurizer, tokens, row).items():
        name = str(part.name) if part.kind == "attribute" else PHOTOS
        masks[name] = masks.get(name, False) | mask
    return masks


def token_parts(featurizer: Featurizer, tokens: ListingTokens, row: int) -> dict[Part, np.ndarray]:
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


def best_photos(run: Run, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the cosine (L,) of each listing's photo nearest to a vector (d,) of the photo space, -inf without one, and its position
    (L,), 0 is the cover; None if the vectors of the photos are not cached.
    """
    cached, center = _cached_vectors(run), run.photo_center
    if cached is None or center is None:
        return None
    scores = np.full(len(run.listing_ids), -np.inf, np.float32)
    best = np.zeros(len(run.listing_ids), np.int64)
    listing = run.market.photos[C.LISTING].map(run.listing_row).to_numpy(int)  # (P,)
    position = run.market.photos.groupby(C.LISTING, sort=False).cumcount().to_numpy(int)
    cosines = np.full(len(listing), -np.inf, np.float32)
    for first in range(0, len(listing), COMPARED):
        rows = np.arange(first, min(first + COMPARED, len(listing)))
        rows = rows[cached.ok[rows]]
        cosines[rows] = unit_rows(np.asarray(cached.vectors[rows], np.float32) - center) @ vector
    np.maximum.at(scores, listing, cosines)
    is_best = np.flatnonzero((cosines == scores[listing]) & np.isfinite(cosines))
    best[listing[is_best[::-1]]] = position[is_best[::-1]]  # the first of equal ones is written last
    return scores, best


def has_photo_vectors(run: Run) -> bool:
    """Return whether the photos of a run have cached vectors, so that none has to be embedded."""
    return _cached_vectors(run) is not None


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
