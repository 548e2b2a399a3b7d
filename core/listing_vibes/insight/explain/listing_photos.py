"""Photo vectors of a listing in the photo space: centered vectors of the encoder."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from listing_vibes.cache import cached_per_object
from listing_vibes.errors import VibesError
from listing_vibes.features.photos.vectors import PhotoVectors, embed_photos, load_photo_vectors
from listing_vibes.features.units import unit_rows
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.newcomers import Newcomers, load_run_encoder
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import load_photo_center


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
    cached, center = _cached_vectors(run), load_photo_center(run.folder)
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
