"""Photo vectors of a market: decoded and embedded once, cached next to the market, loaded without the encoder."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from PIL import Image

from listing_vibes.cores import cores
from listing_vibes.errors import VibesError, printable
from listing_vibes.features.photos.trainable import is_trained
from listing_vibes.features.units import unit_rows
from listing_vibes.features.vector_cache import VectorCache
from listing_vibes.market import photo_files
from listing_vibes.market.caches import can_be_written, market_cache
from listing_vibes.market.columns import Columns
from listing_vibes.market.documents import write_text
from listing_vibes.market.photo_decoding import open_photo
from listing_vibes.market.photo_files import PhotoProblem
from listing_vibes.progress import Counted, Notice, Report

#: Joins the names of several encoders.
JOIN = "+"
LATEST = "latest.txt"
NOT_EMBEDDED = "it is not embedded yet (`vibes embed` does it)"


class Encoder(Protocol):
    """A photo encoder; `listing_vibes.features.photos.encoder.PhotoEncoder` is the usual one."""

    name: str
    width: int
    size: tuple[int, int]  # (height, width) of a prepared photo

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Return (height, width, 3) uint8; called from several threads."""

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return (N, width) float32 for (N, height, width, 3) uint8."""


@dataclass(frozen=True)
class PhotoVectors:
    """Photo vectors in the row order of a photos table.

    Attributes:
        vectors: (P, width) float16 of the encoder, zero for a photo that is not ok.
        ok: (P,) bool.
        broken: (path, reason) of each path that is not ok, without duplicates, in table order.
        encoder: name of the encoder; vectors of two encoders are never compared. Of several: their names joined by "+".
        parts: of several encoders, the vectors of each; `vectors` then holds them concatenated.
    """

    vectors: np.ndarray
    ok: np.ndarray
    broken: list[tuple[str, str]]
    encoder: str
    parts: tuple[PhotoVectors, ...] = ()


@dataclass
class PhotoJob:
    """One pass over photos of a market.

    Attributes:
        keys: the content key of each path that has a vector in the cache.
        broken: the reason of each path without a vector.
    """

    market: Path
    store: VectorCache
    keys: dict[str, bytes] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def recall(self, path: str, with_problems: bool = False) -> bool:
        """Resolve a path without reading its file: it is unchanged or not a file of the market; return whether that was possible.

        Args:
            with_problems: accept recorded problems, instead of trying these photos again.
        """
        try:
            stamp = photo_files.stamp(photo_files.locate(self.market, path))
        except PhotoProblem as problem:
            self.broken[path] = str(problem)
            return True
        entry = self.store.recall(path, stamp)
        if entry is None or (entry.key is None and not with_problems):
            return False
        self._settle(path, entry.key, entry.problem)
        return True

    def find_by_content(self, path: str) -> None:
        """Resolve a path by the content of its file, without an encoder."""
        try:
            _, key, _ = self._read(path)
        except PhotoProblem as problem:
            self._settle(path, None, str(problem))
        else:
            self._settle(path, key if key in self.store else None, NOT_EMBEDDED)

    def embed(self, paths: list[str], encoder: Encoder, batch_size: int, workers: int) -> Iterator[int]:
        """Embed paths, while threads decode the next ones; yield the number of processed paths after each batch.

        Raises:
            VibesError: the cache cannot be written.
        """
        waiting: deque[Future[_Photo]] = deque()
        todo = iter(paths)
        pool = ThreadPoolExecutor(workers, thread_name_prefix="photo")
        try:
            while True:
                room = 2 * batch_size + workers - len(waiting)
                waiting.extend(pool.submit(self._decode, path, encoder) for path in islice(todo, room))
                if not waiting:
                    return
                batch = [waiting.popleft().result() for _ in range(min(batch_size, len(waiting)))]
                self._encode(batch, encoder)
                self.store.flush(only_if_due=True)
                yield len(batch)
        finally:
            pool.shutdown(cancel_futures=True)

    def assemble(self, paths: list[str]) -> PhotoVectors:
        """Return the vectors of `paths` (P,)."""
        vectors, ok = self.store.gather([self.keys.get(path) for path in paths])  # (P, width), (P,)
        broken = [(path, self.broken[path]) for path in dict.fromkeys(paths) if path in self.broken]
        return PhotoVectors(vectors, ok, broken, self.store.encoder)

    def _settle(self, path: str, key: bytes | None, problem: str | None) -> None:
        if key is not None:
            self.keys[path] = key
        else:
            self.broken[path] = problem or ""

    def _read(self, path: str) -> tuple[str, bytes, bytes]:
        file = photo_files.locate(self.market, path)
        stamp = photo_files.stamp(file)  # before reading, so that a concurrent change is detected next time
        data = photo_files.read(file)
        return stamp, hashlib.sha256(data).digest(), data

    def _decode(self, path: str, encoder: Encoder) -> _Photo:
        photo = _Photo(path)
        try:
            photo.stamp, photo.key, data = self._read(path)
            if photo.key not in self.store:
                with open_photo(data, encoder.size) as image:
                    photo.pixels = encoder.prepare(image)
        except PhotoProblem as problem:
            photo.problem = str(problem)
        return photo

    def _encode(self, batch: list[_Photo], encoder: Encoder) -> None:
        # Equal photos in a batch are encoded once.
        new = {p.key: p.pixels for p in batch if p.pixels is not None and p.key not in self.store}
        if new:
            vectors = encoder.encode(np.stack(list(new.values())))  # (N, H, W, 3) -> (N, width)
            largest = np.finfo(self.store.dtype).max
            for key, vector in zip(new, vectors, strict=True):
                if (np.abs(vector) <= largest).all():  # False for NaN as well
                    self.store.add(key, vector)
        for photo in batch:
            if photo.problem is None and photo.key not in self.store:
                photo.problem = "the encoder returned a non-finite vector for it"
            settled = photo.key if photo.problem is None else None
            self._settle(photo.path, settled, photo.problem)
            if photo.stamp:
                self.store.remember(photo.path, photo.stamp, settled, photo.problem)


@dataclass
class _Photo:
    """One file as a decoding thread returns it; `pixels` is None where the content is cached already, or broken."""

    path: str
    stamp: str = ""
    key: bytes = b""
    pixels: np.ndarray | None = None
    problem: str | None = None


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
    """Embed the photos of a market; content that this encoder has embedded before is not embedded again.

    The encoder becomes the default of `load_photo_vectors`, unless a run has trained it.

    Args:
        market_path: the market's folder; no path of `photos` may leave it.
        photos: table with a column `path`.
        encoder: see `tail.load_photo_encoder`.
        batch_size: photos per call of the encoder.
        workers: threads that read and decode; None uses one per CPU, at most 8.
        report: called with the number of processed paths after each batch.
        cache: folder of the vectors; None uses `.cache/photos` in the market.

    Raises:
        VibesError: there is no column `path`, the disk is full, or the cache cannot be written.
    """
    root = cache_root(market_path, cache)
    job = PhotoJob(market_path, VectorCache(root, encoder.name, encoder.width))
    encode_photos(job, photos, encoder, report, batch_size, workers)
    job.store.flush()
    if not is_trained(encoder.name) and can_be_written(root):
        write_text(root / LATEST, encoder.name)
    return job.assemble(_paths(photos))


def encode_photos(
    job: PhotoJob,
    photos: pd.DataFrame,
    encoder: Encoder,
    report: Report | None = None,
    batch_size: int = 32,
    workers: int | None = None,
) -> None:
    """Embed photos into the cache of a job's encoder; arguments and errors as for `embed_photos`."""
    paths = list(dict.fromkeys(_paths(photos)))
    unknown = [path for path in paths if not job.recall(path)]
    start, fresh = time.monotonic(), 0
    if report is not None and not unknown:
        report(Counted("photos", len(paths), len(paths), 0.0))
    for count in job.embed(unknown, encoder, batch_size, workers or min(8, cores())):
        fresh += count
        if report is not None:
            left = len(unknown) - fresh
            seconds = (time.monotonic() - start) / fresh * left
            report(Counted("photos", len(paths) - left, len(paths), seconds))


def load_photo_vectors(
    market_path: Path, photos: pd.DataFrame, encoder_name: str | None = None, cache: Path | None = None
) -> PhotoVectors | None:
    """Load what `embed_photos` cached, without the encoder; None where this encoder embedded nothing.

    Args:
        market_path, photos, cache: as for `embed_photos`. A file with a changed stamp is hashed, so that a
            copied market is not embedded again; a photo with new content is not ok.
        encoder_name: None uses the encoder of the last `embed_photos`; "a+b" uses two.

    Raises:
        VibesError: there is no column `path`, or the cache is damaged.
    """
    if encoder_name is not None and JOIN in encoder_name:
        names = encoder_name.split(JOIN)
        parts = [load_photo_vectors(market_path, photos, name, cache) for name in names]
        available = [part for part in parts if part is not None]
        return combine(available) if len(available) == len(parts) else None
    root, paths = cache_root(market_path, cache), _paths(photos)
    if encoder_name is None:
        if not (root / LATEST).is_file():
            return None
        encoder_name = (root / LATEST).read_text(encoding="utf-8")
    job = PhotoJob(market_path, VectorCache(root, encoder_name, None))
    if job.store.width is None:
        return None
    for path in dict.fromkeys(paths):
        if not job.recall(path, with_problems=True):
            job.find_by_content(path)
    return job.assemble(paths)


def photo_center(photos: PhotoVectors | None) -> np.ndarray | None:
    """Return the mean photo vector (w,) float32 of the market, the origin of the photo space; None without a usable photo."""
    if photos is None or not photos.ok.any():
        return None
    mean: np.ndarray = np.asarray(photos.vectors[photos.ok], np.float32).mean(axis=0)
    return mean


def combine(parts: list[PhotoVectors]) -> PhotoVectors:
    """Concatenate the vectors of several encoders for one photos table, each scaled to norm 1.

    Only photos with a vector of every encoder are ok.
    """
    if len(parts) == 1:
        return parts[0]
    ok = np.logical_and.reduce([part.ok for part in parts])  # (P,)
    units = [unit_rows(part.vectors.astype(np.float32)) for part in parts]
    vectors = np.where(ok[:, None], np.concatenate(units, axis=1), 0).astype(np.float16)  # (P, sum of widths)
    broken = dict(line for part in reversed(parts) for line in part.broken)
    names = JOIN.join(part.encoder for part in parts)
    return PhotoVectors(vectors, ok, list(broken.items()), names, tuple(parts))


def report_broken_photos(market: Path, photos: PhotoVectors | None, report: Report) -> None:
    """Report in one sentence how many photos have no vector, and why the first has none."""
    if photos is not None and photos.broken:
        path, reason = photos.broken[0]
        report(
            Notice(
                f"{int((~photos.ok).sum()):,} of {len(photos.ok):,} photos cannot be used, the first {printable(path)}: "
                f"{printable(reason)}; see `vibes check {market}`."
            )
        )


def _paths(photos: pd.DataFrame) -> list[str]:
    """Return the path of each row; a missing cell becomes the empty path, which `photo_files.locate` rejects."""
    if Columns.PATH not in photos:
        raise VibesError(f"The photos table has no column {Columns.PATH!r}; add it with each photo's file.")
    return [cell if isinstance(cell, str) else "" for cell in photos[Columns.PATH]]


def cache_root(market_path: Path, cache: Path | None = None) -> Path:
    """Return the folder of the vectors of a market's photos."""
    return Path(cache) if cache is not None else market_cache(market_path) / "photos"
