"""Photo vectors of a market: embedded once, kept beside the market, read back without the encoder."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.cores import cores
from listing_vibes.errors import VibesError, printable
from listing_vibes.features.photos.files import PhotoProblem
from listing_vibes.features.photos.pipeline import Encoder, PhotoJob
from listing_vibes.features.photos.trainable import is_trained
from listing_vibes.features.units import unit_rows
from listing_vibes.features.vector_cache import VectorCache, folder_name
from listing_vibes.market.caches import can_be_written, market_cache
from listing_vibes.market.columns import Columns
from listing_vibes.market.documents import read_json, write_json, write_text
from listing_vibes.progress import Counted, Notice, Report

#: Between the names of several encoders.
JOIN = "+"
LATEST = "latest.txt"
STATE = "state.json"
NOT_EMBEDDED = "it is not embedded yet (`vibes embed` does it)"


@dataclass(frozen=True)
class PhotoVectors:
    """Vectors in the row order of a photos table.

    Attributes:
        vectors: (P, width) float16 as the encoder gave them, zero for a photo that is not ok.
        ok: (P,) bool.
        broken: (path, reason) of each path that is not ok, once, in table order.
        encoder: name of the encoder; vectors of two encoders are never compared. Of several: their names with "+".
        parts: of several encoders, the vectors of each; `vectors` then holds them side by side.
    """

    vectors: np.ndarray
    ok: np.ndarray
    broken: list[tuple[str, str]]
    encoder: str
    parts: tuple["PhotoVectors", ...] = ()


def embed_photos(
    market_path: Path,
    photos: pd.DataFrame,
    encoder: Encoder,
    *,
    batch_size: int = 32,
    workers: int | None = None,
    report: Report | None = None,
    cache: Path | None = None,
) -> PhotoVectors:
    """Embed the photos of a market; content that this encoder ever embedded is not embedded again.

    The market's photos are then said to be embedded by this encoder, unless a run has trained it for itself.

    Args:
        market_path: the market's folder; no path of `photos` may leave it.
        photos: table with a column `path`.
        encoder: see `tail.load_photo_encoder`.
        batch_size: photos an encoder call.
        workers: threads that read and decode; None takes one a processor, at most 8.
        report: gets the paths done after each batch.
        cache: where vectors are kept; None takes `.cache/photos` in the market.

    Raises:
        VibesError: no column `path`, a full disk, or a cache that cannot be written.
    """
    root = cache_root(market_path, cache)
    job = PhotoJob(market_path, VectorCache(root, encoder.name, encoder.width))
    encode_photos(job, photos, encoder, report, batch_size, workers)
    job.store.flush()
    state = {"encoder": encoder.name, "width": encoder.width, "broken": job.broken}
    if can_be_written(root):  # of a market that cannot be written, and has every photo, nothing is to be kept
        job.store.compact()
        write_json(job.store.folder / STATE, state)
        if not is_trained(encoder.name):
            write_text(root / LATEST, encoder.name)
    return _assemble(_paths(photos), job)


def encode_photos(
    job: PhotoJob,
    photos: pd.DataFrame,
    encoder: Encoder,
    report: Report | None = None,
    batch_size: int = 32,
    workers: int | None = None,
) -> None:
    """Bring the photos into the store of a job, the encoder's own; arguments and errors as for `embed_photos`."""
    paths = list(dict.fromkeys(_paths(photos)))
    unknown = [path for path in paths if job.recall(path) is not None]
    start, fresh = time.monotonic(), 0
    if report is not None and not unknown:
        report(Counted("photos", len(paths), len(paths), 0.0))
    for count in job.run(unknown, encoder, batch_size, workers or min(8, cores())):
        fresh += count
        if report is not None:
            left = len(unknown) - fresh
            seconds = (time.monotonic() - start) / fresh * left
            report(Counted("photos", len(paths) - left, len(paths), seconds))


def load_photo_vectors(
    market_path: Path, photos: pd.DataFrame, encoder_name: str | None = None, cache: Path | None = None
) -> PhotoVectors | None:
    """Read what `embed_photos` left, without the encoder; None where this encoder embedded nothing.

    Args:
        market_path, photos, cache: as for `embed_photos`. A file that was touched since is hashed, so that a
            copied market needs no second embedding; a photo whose content is new is not ok.
        encoder_name: None takes the encoder that `embed_photos` finished with last; "a+b" takes two.

    Raises:
        VibesError: no column `path`, or a damaged cache.
    """
    if encoder_name is not None and JOIN in encoder_name:
        names = encoder_name.split(JOIN)
        parts = [load_photo_vectors(market_path, photos, name, cache) for name in names]
        known = [part for part in parts if part is not None]
        return combine(known) if len(known) == len(parts) else None
    root = cache_root(market_path, cache)
    cells = _paths(photos)
    if encoder_name is None:
        if not (root / LATEST).is_file():
            return None
        encoder_name = (root / LATEST).read_text(encoding="utf-8")
    there = root / folder_name(encoder_name) / STATE
    state: dict[str, Any] = read_json(there, "delete it and run the same command again") or {}
    store = VectorCache(root, encoder_name, state.get("width"))
    if store.width is None:
        return None
    job = PhotoJob(market_path, store)
    known_broken = state.get("broken", {})
    for path in dict.fromkeys(cells):
        stamp = job.recall(path)
        if stamp is None:
            continue
        broken_then, reason = known_broken.get(path, ("", ""))
        if stamp == broken_then:
            job.broken[path] = (stamp, reason)
        else:
            _look_up(job, path)
    return _assemble(cells, job)


def photo_center(photos: PhotoVectors | None) -> np.ndarray | None:
    """Return the mean vector (w,) float32 from which the photo space is seen; None without a usable photo."""
    if photos is None or not photos.ok.any():
        return None
    mean: np.ndarray = np.asarray(photos.vectors[photos.ok], np.float32).mean(axis=0)
    return mean


def combine(parts: list[PhotoVectors]) -> PhotoVectors:
    """The vectors of several encoders for one photos table: each of norm 1, side by side, so that all weigh the same.

    Only photos that every encoder has a vector of are ok.
    """
    if len(parts) == 1:
        return parts[0]
    ok = np.logical_and.reduce([part.ok for part in parts])  # (P,)
    wide = [part.vectors.astype(np.float32) for part in parts]
    units = [unit_rows(rows) for rows in wide]
    vectors = np.where(ok[:, None], np.concatenate(units, axis=1), 0).astype(np.float16)  # (P, sum of widths)
    broken = dict(line for part in reversed(parts) for line in part.broken)
    return PhotoVectors(
        vectors, ok, list(broken.items()), JOIN.join(part.encoder for part in parts), tuple(parts)
    )


def tell_broken(market: Path, photos: PhotoVectors | None, report: Report) -> None:
    """Say in one sentence how many photos have no vector, and why the first has none."""
    if photos is not None and photos.broken:
        path, reason = photos.broken[0]
        report(
            Notice(
                f"{int((~photos.ok).sum()):,} of {len(photos.ok):,} photos cannot be used, the first {printable(path)}: "
                f"{printable(reason)}; see `vibes check {market}`."
            )
        )


def _look_up(job: PhotoJob, path: str) -> None:
    """Settle a path by its content."""
    try:
        stamp, key, _ = job.read(path)
    except PhotoProblem as problem:
        job.broken[path] = ("", str(problem))
        return
    if key in job.store:
        job.keys[path] = key
    else:
        job.broken[path] = (stamp, NOT_EMBEDDED)


def _assemble(cells: list[str], job: PhotoJob) -> PhotoVectors:
    vectors, ok = job.store.gather([job.keys.get(path) for path in cells])  # (P, width), (P,)
    broken = [(path, job.broken[path][1]) for path in dict.fromkeys(cells) if path in job.broken]
    return PhotoVectors(vectors, ok, broken, job.store.encoder)


def _paths(photos: pd.DataFrame) -> list[str]:
    """The path of each row; a missing cell becomes the empty path, which `photo_files.locate` refuses."""
    if Columns.PATH not in photos:
        raise VibesError(f"The photos table has no column {Columns.PATH!r}; name each photo's file in it.")
    return [cell if isinstance(cell, str) else "" for cell in photos[Columns.PATH]]


def cache_root(market_path: Path, cache: Path | None = None) -> Path:
    """Where the vectors of a market's photos are kept."""
    return Path(cache) if cache is not None else market_cache(market_path) / "photos"
