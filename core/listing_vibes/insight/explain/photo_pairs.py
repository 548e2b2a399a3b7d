"""The photos of two listings, one against the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from listing_vibes.features.photos.vectors import JOIN, combine, embed_photos, load_photo_vectors
from listing_vibes.features.tokens.tabular import photo_key
from listing_vibes.features.units import unit_rows
from listing_vibes.kept_with import kept_with
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.newcomers import load_run_encoder
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import load_photo_center


@dataclass(frozen=True, eq=False)
class ListingPhotos:
    """The m photos of a listing that have a vector."""

    place: np.ndarray  # (m,) int64, place among the listing's photos, 0 is the cover
    vectors: np.ndarray  # (m, w) float32, seen from the mean of the market and L2-normalised


def photo_pairs(
    run: Run, rows: tuple[int, int], of_encoder: bool = False
) -> tuple[ListingPhotos, ListingPhotos] | None:
    """Return the photos of the listings `rows`; None where one has none or no vector is at hand.

    The vectors are those of the photo encoder where they are cached beside the market. Else they are those that the model
    reads, which are the encoder's with fewer columns; or, `of_encoder`, the photos of the two are embedded.

    Raises:
        VibesError: the photos have to be embedded, and the run's encoder is not at hand.
    """
    cached = _encoded(run)
    if cached is not None:
        pair = [_of_table(run, row, cached) for row in rows]
    elif of_encoder:
        pair = [_embed_listing(run, row) for row in rows]
    else:
        pair = [_of_model(run, row) for row in rows]
    return None if any(listing is None for listing in pair) else (pair[0], pair[1])  # type: ignore[return-value]


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


def _embed_listing(run: Run, row: int) -> ListingPhotos | None:
    """Embed the photos of one listing, seen from the center of the run's photo space; None without a center or photos."""
    center, photos = load_photo_center(run.folder), run.market.photos
    table = photos[(photos[C.LISTING] == run.listing_ids[row]).to_numpy(bool)]
    if center is None or not len(table):
        return None
    with TemporaryDirectory(prefix="vibes-") as folder:
        encoded = combine(
            [
                embed_photos(run.market.path, table, load_run_encoder(run, name), cache=Path(folder))
                for name in run.manifest.photo_encoder.split(JOIN)
            ]
        )
        vectors = np.asarray(encoded.vectors, np.float32)[encoded.ok]
    if not len(vectors) or vectors.shape[1] != len(center):
        return None
    return ListingPhotos(np.flatnonzero(encoded.ok), unit_rows(vectors - center))


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
    return ListingPhotos(np.arange(told.sum()), unit_rows(engine.features.photo[tokens.photo[mine][told]]))
