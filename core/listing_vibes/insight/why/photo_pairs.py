"""The photos of two listings, one against the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.features.photos.vectors import load_photo_vectors
from listing_vibes.features.tokens.tabular import photo_key
from listing_vibes.features.units import unit_rows
from listing_vibes.kept_with import kept_with
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run


@dataclass(frozen=True, eq=False)
class ListingPhotos:
    """The m photos of a listing that have a vector."""

    place: np.ndarray  # (m,) int64, place among the listing's photos, 0 is the cover
    vectors: np.ndarray  # (m, w) float32, seen from the mean of the market and L2-normalised
    is_encoded: bool = True  # as the encoder gave them; False: as the model reads them


def photo_pairs(run: Run, rows: tuple[int, int]) -> tuple[ListingPhotos, ListingPhotos] | None:
    """The photos of the listings `rows`, None where one has none or no vector is at hand.

    The vectors are those of the photo encoder where they are kept beside the market, else those that the model reads,
    which are the encoder's with fewer columns.
    """
    whole = _encoded(run)
    found = [_of_table(run, row, whole) if whole is not None else _of_model(run, row) for row in rows]
    return None if any(one is None for one in found) else (found[0], found[1])  # type: ignore[return-value]


def photo_places(run: Run, row: int) -> np.ndarray:
    """(m,) places, among the photos of the listing `row`, of those that have a vector; 0 is the cover."""
    whole = _encoded(run)
    if whole is None:
        return np.arange(0)
    mine = _photo_rows(run).get(run.listing_ids[row])
    return np.arange(0) if mine is None else np.flatnonzero(whole[1][mine])


@kept_with(2)
def _photo_rows(run: Run) -> dict[str, np.ndarray]:
    """The rows of the photos table by listing."""
    return {
        str(name): rows for name, rows in run.market.photos.groupby(C.LISTING, sort=False).indices.items()
    }


@kept_with(2)
def _encoded(run: Run) -> tuple[np.ndarray, np.ndarray] | None:
    """(P, w) float16 as the encoder gave them with their mean in the last row, and (P,) which are there."""
    market, name = run.market, run.manifest.photo_encoder
    if not name or not len(market.photos):
        return None
    photos = load_photo_vectors(market.path, market.photos, name)
    if photos is None or not photos.ok.any():
        return None
    mean = np.asarray(photos.vectors[photos.ok], np.float32).mean(axis=0, keepdims=True)
    return np.concatenate([photos.vectors, mean.astype(photos.vectors.dtype)]), photos.ok


def _of_table(run: Run, row: int, whole: tuple[np.ndarray, np.ndarray]) -> ListingPhotos | None:
    vectors, ok = whole
    mine = _photo_rows(run).get(run.listing_ids[row], np.arange(0))
    place = np.flatnonzero(ok[mine])
    if not len(place):
        return None
    return ListingPhotos(
        place, unit_rows(vectors[mine[place]].astype(np.float32) - vectors[-1].astype(np.float32))
    )


def _of_model(run: Run, row: int) -> ListingPhotos | None:
    if not run.has_model:
        return None
    engine = run.engine
    tokens = engine.features.tokens
    mine = slice(int(tokens.offset[row]), int(tokens.offset[row + 1]))
    told = (tokens.key[mine] == photo_key(engine.featurizer.vocabulary, 0)) & (tokens.photo[mine] >= 0)
    if not told.any() or not engine.featurizer.photo_reducers:
        return None
    return ListingPhotos(
        np.arange(told.sum()), unit_rows(engine.features.photo[tokens.photo[mine][told]]), False
    )
