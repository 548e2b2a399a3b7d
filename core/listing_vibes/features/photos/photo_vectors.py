"""Photo vectors of a market: decoded and embedded once, cached next to the market, loaded without the encoder."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from listing_vibes.cluster import Batch, current_cluster
from listing_vibes.cores import cores, limit_cores
from listing_vibes.errors import VibesError, printable
from listing_vibes.features.vector_cache import Entry, VectorCache
from listing_vibes.market import photo_files
from listing_vibes.market.caches import market_cache
from listing_vibes.market.columns import Columns
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.photo_decoding import open_photo
from listing_vibes.market.photo_files import PhotoProblem
from listing_vibes.progress import Counted, Notice, Report, silent

NOT_EMBEDDED = "it is not embedded yet (`vibes embed` does it)"
#: Vectors that come with a market in its folder.
SHIPPED = "photo_vectors.safetensors"
#: Photos per call of the encoder, while threads decode the next ones.
BATCH = 32
#: Photos that a worker of a cluster embeds at a time; each such part is written at once.
PART = 256


class Encoder(ABC):
    """A frozen photo encoder; `listing_vibes.features.photos.photo_encoder.PhotoEncoder` is the usual one."""

    #: Stored with every vector.
    name: str
    width: int
    #: (height, width) of a prepared photo.
    size: tuple[int, int] = (224, 224)
    #: The name and the file of weights by which another process opens it, see `encoders.open_encoder`; None: only this one has it.
    recipe: tuple[str, str | None] | None = None
    #: Photos of a job that were encoded so far, by this and other workers.
    encoded: int = 0

    def check_name(self, name: str, short: str = "") -> None:
        """Check that a full or `short` name is that of this encoder.

        Raises:
            VibesError: it is not.
        """
        if name not in (self.name, short):
            raise VibesError(
                f"The photo encoder at hand is '{self.name}', not '{name}', and vectors of two encoders are never compared; give the "
                f"weights of '{name}' with --weights, install the version that has them, or train again."
            )

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Return (height, width, 3) uint8, by default the whole photo resized; called from several threads."""
        return resize_photo(image, self.size)

    @abstractmethod
    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return (N, width) float32 for (N, height, width, 3) uint8."""


def resize_photo(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Return the whole photo as (height, width, 3) uint8."""
    height, width = size
    return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))


@dataclass(frozen=True)
class PhotoVectors:
    """Photo vectors in the row order of a photos table."""

    vectors: np.ndarray  # (P, width) float16 of the encoder, zero for a photo that is not ok
    ok: np.ndarray  # (P,) bool
    #: Path and reason of each path that is not ok, without duplicates, in table order.
    broken: list[tuple[str, str]]
    encoder: str  # name of the encoder; vectors of two encoders are never compared


@dataclass
class PhotoPass:
    """One pass over photos of a market, which embeds new content if there is an `encoder`."""

    market: Path
    store: VectorCache
    encoder: Encoder | None = None
    #: The content key of each path with a vector in the cache.
    keys: dict[str, bytes] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)  # reason of each path without a vector

    def run(self, paths: Sequence[str], report: Report = silent) -> None:
        """Look up or embed `paths`; `report` is called with the number of processed distinct paths.

        Raises:
            VibesError: the cache cannot be written.
        """
        distinct = list(dict.fromkeys(paths))
        unknown = [path for path in distinct if not self._recall(path)]
        done = len(distinct) - len(unknown)
        for entries, vectors in self._embedded(unknown):
            for path, entry in entries.items():
                self._settle(path, entry)
            if self.encoder is not None:
                self.store.write(vectors, {path: entry for path, entry in entries.items() if entry.stamp})
            done += len(entries)
            report(Counted("photos", done, len(distinct)))

    def embed(self, paths: Sequence[str]) -> Iterator[tuple[dict[str, Entry], dict[bytes, np.ndarray]]]:
        """Yield the entries of paths, and the new vectors by their content, a batch at a time; threads decode the next batch."""
        batches = [paths[first : first + BATCH] for first in range(0, len(paths), BATCH)]
        with ThreadPoolExecutor(max(1, min(8, cores(), len(paths))), "photo") as pool:
            ahead = [pool.submit(self._read, path) for path in batches[0]] if batches else []
            for following in (*batches[1:], []):
                photos = [future.result() for future in ahead]
                ahead = [pool.submit(self._read, path) for path in following]
                yield self._encode(photos)

    def _embedded(self, paths: Sequence[str]) -> Iterator[tuple[dict[str, Entry], dict[bytes, np.ndarray]]]:
        """Yield what `embed` yields, by the workers of a cluster where the context has one."""
        cluster = current_cluster()
        if cluster is None or self.encoder is None or self.encoder.recipe is None:
            yield from self.embed(paths)
            return
        starts = range(0, len(paths), PART)
        items = [{"paths": list(paths[first : first + PART]), "first": first} for first in starts]
        folders = (str(self.market.resolve()), str(self.store.folder.parent.resolve()))
        encoder = (self.encoder.name, *self.encoder.recipe)
        for result in cluster.map(PhotoWorker, (*folders, *encoder, cluster.threads), items):
            columns = (result[name].tolist() for name in ("path", "stamp", "key", "problem"))
            rows = list(zip(*columns, result["vector"], strict=True))
            yield (
                {path: Entry(stamp, key or None, problem or None) for path, stamp, key, problem, _ in rows},
                {key: vector for _, _, key, _, vector in rows if key and vector.any()},
            )

    def gather(self, paths: Sequence[str], into: np.ndarray | None = None) -> PhotoVectors:
        """Return the vectors of `paths` (P,), written into an array (P, width) of zeros where one is given."""
        vectors, ok = self.store.gather([self.keys.get(path) for path in paths], into)  # (P, width), (P,)
        broken = [(path, self.broken[path]) for path in dict.fromkeys(paths) if path in self.broken]
        return PhotoVectors(vectors, ok, broken, self.store.encoder)

    def _recall(self, path: str) -> bool:
        """Resolve a path without reading its file, where it is unchanged or not a file; return whether that was possible.

        A pass that embeds tries photos with a stored problem again.
        """
        try:
            stamp = photo_files.stamp(photo_files.locate(self.market, path))
        except PhotoProblem as problem:
            self.broken[path] = str(problem)
            return True
        entry = self.store.recall(path, stamp)
        if entry is None or (entry.key is None and self.encoder is not None):
            return False
        self._settle(path, entry)
        return True

    def _settle(self, path: str, entry: Entry) -> None:
        if entry.key is not None:
            self.keys[path] = entry.key
        else:
            self.broken[path] = entry.problem or ""

    def _read(self, path: str) -> tuple[str, Entry, np.ndarray | None]:
        """Read a file; return its path and entry, and its pixels where its content has to be encoded."""
        stamp, pixels = "", None
        try:
            file = photo_files.locate(self.market, path)
            # Before reading, so that a concurrent change is detected next time.
            stamp = photo_files.stamp(file)
            data = photo_files.read(file)
            key = hashlib.sha256(data).digest()
            if self.encoder is not None and key not in self.store:
                with open_photo(data, self.encoder.size) as image:
                    pixels = self.encoder.prepare(image)
        except PhotoProblem as problem:
            return path, Entry(stamp, None, str(problem)), None
        return path, Entry(stamp, key, None), pixels

    def _encode(
        self, batch: list[tuple[str, Entry, np.ndarray | None]]
    ) -> tuple[dict[str, Entry], dict[bytes, np.ndarray]]:
        """Return the entries of a batch, and the vectors of its new photos, of which equal ones are encoded once."""
        new: dict[bytes, np.ndarray] = {}
        for _, (_, key, _), pixels in batch:
            if pixels is not None and key is not None and key not in self.store:
                new[key] = pixels
        vectors: dict[bytes, np.ndarray] = {}
        if new and self.encoder is not None:
            encoded = self.encoder.encode(np.stack(list(new.values())))  # (N, H, W, 3) -> (N, width)
            largest = np.finfo(self.store.dtype).max
            is_usable = (np.abs(encoded) <= largest).all(axis=1)  # False for NaN as well
            vectors = {key: vector for key, vector, ok in zip(new, encoded, is_usable, strict=True) if ok}
        entries: dict[str, Entry] = {}
        problem = "the encoder returned a non-finite vector for it" if self.encoder else NOT_EMBEDDED
        for path, entry, _ in batch:
            if entry.key is not None and entry.key not in self.store and entry.key not in vectors:
                entry = Entry(entry.stamp, None, problem)
            entries[path] = entry
        return entries, vectors


class PhotoWorker:
    """Actor of a cluster that embeds photos of a market with one core, or one share of a GPU.

    Args:
        market, cache: folders of the market and of its vectors, which all machines have.
        encoder: name of the encoder; name, weights: by which it is opened.
        threads: number of threads.
    """

    def __init__(
        self, market: str, cache: str, encoder: str, name: str, weights: str | None, threads: int
    ) -> None:
        import torch

        from listing_vibes.features.photos.encoders import open_encoder

        limit_cores(threads)
        torch.set_num_threads(threads)
        opened = open_encoder(name, None if weights is None else Path(weights))
        opened.check_name(encoder)
        self._encoder = opened
        self._job = PhotoPass(Path(market), VectorCache(Path(cache), encoder, opened.width), opened)

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Return path, stamp, key, problem and vector of each of the photos `batch["paths"]`; a vector is zero if it is not new."""
        self._encoder.encoded = int(batch["first"][0])
        entries, vectors = dict[str, Entry](), dict[bytes, np.ndarray]()
        for some, new in self._job.embed(list(batch["paths"][0])):
            entries, vectors = entries | some, vectors | new
        zero = np.zeros(self._job.store.width or 0, np.float32)
        return {
            "path": list(entries),
            "stamp": [entry.stamp for entry in entries.values()],
            "key": [entry.key or b"" for entry in entries.values()],
            "problem": [entry.problem or "" for entry in entries.values()],
            "vector": np.stack([vectors.get(entry.key or b"", zero) for entry in entries.values()]),
        }


def embed_photos(
    market_path: Path,
    photos: pd.DataFrame,
    encoder: Encoder,
    *,
    report: Report = silent,
    cache: Path | None = None,
) -> PhotoVectors:
    """Embed the photos of a market; content that this encoder has embedded before is not embedded again.

    Args:
        market_path: the market's folder; no path of `photos` may leave it.
        photos: table with a column `path`.
        cache: folder of the vectors; None uses `.cache/photos` in the market.

    Raises:
        VibesError: there is no column `path`, the disk is full, or the cache cannot be written.
    """
    paths = photo_paths(photos)
    job = PhotoPass(market_path, photo_cache(market_path, encoder.name, encoder.width, cache), encoder)
    job.run(paths, report)
    return job.gather(paths)


def load_photo_vectors(market_path: Path, photos: pd.DataFrame, encoder_name: str) -> PhotoVectors | None:
    """Load what `embed_photos` cached, without the encoder; None where this encoder embedded nothing.

    A file with a changed stamp is hashed, so that a copied market is not embedded again; a photo with new content is not ok.

    Raises:
        VibesError: there is no column `path`, or the cache is damaged.
    """
    paths = photo_paths(photos)
    job = PhotoPass(market_path, photo_cache(market_path, encoder_name))
    if job.store.width is None:
        return None
    job.run(paths)
    return job.gather(paths)


def photo_center(photos: PhotoVectors | None) -> np.ndarray | None:
    """Return the mean photo vector (w,) float32 of the market, the origin of the photo space; None without a usable photo."""
    if photos is None or not photos.ok.any():
        return None
    return np.asarray(np.asarray(photos.vectors[photos.ok], np.float32).mean(axis=0))


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


def photo_paths(photos: pd.DataFrame) -> list[str]:
    """Return the path of each row; a missing cell becomes the empty path, which `photo_files.locate` rejects."""
    if Columns.PATH not in photos:
        raise VibesError(f"The photos table has no column {Columns.PATH!r}; add it with each photo's file.")
    return [cell if isinstance(cell, str) else "" for cell in photos[Columns.PATH]]


def photo_cache(
    market_path: Path, encoder: str, width: int | None = None, cache: Path | None = None
) -> VectorCache:
    """Return the cache of the vectors of a market's photos; a new one begins with those that the market came with."""
    store, file = VectorCache(cache_root(market_path, cache), encoder, width), Path(market_path) / SHIPPED
    if store.is_empty and file.is_file():
        try:
            with safe_open(file, "np") as stored:
                if (stored.metadata() or {}).get("encoder") == encoder:
                    keys, vectors = stored.get_tensor("keys"), stored.get_tensor("vectors")
                    store.width = vectors.shape[1] if width is None else width
                    with suppress(VibesError):  # the market is only read
                        store.write(
                            {key.tobytes(): vector for key, vector in zip(keys, vectors, strict=True)}
                        )
        except SafetensorError as error:
            raise VibesError(
                f"{file} is damaged ({error}); remove it, and its photos are embedded."
            ) from error
    return store


def ship_vectors(market_path: Path, photos: pd.DataFrame, encoder_name: str) -> None:
    """Write the cached vectors (P, width) of a market's photos by their content (P, 32) into its folder, for those who copy it."""
    job = PhotoPass(market_path, photo_cache(market_path, encoder_name))
    job.run(photo_paths(photos))
    keys = sorted(set(job.keys.values()))
    vectors, _ = job.store.gather(keys)
    arrays = {"keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32), "vectors": vectors}
    with atomic_path(Path(market_path) / SHIPPED) as temporary:
        save_file(arrays, temporary, {"encoder": encoder_name})


def cache_root(market_path: Path, cache: Path | None = None) -> Path:
    """Return the folder of the vectors of a market's photos."""
    return Path(cache) if cache is not None else market_cache(market_path) / "photos"
