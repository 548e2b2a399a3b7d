"""From photo files to cached vectors: threads read, hash and decode ahead of the encoder."""

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from listing_vibes.features.photos import files as photo_files
from listing_vibes.features.photos.files import PhotoProblem
from listing_vibes.features.vector_cache import VectorCache


class Encoder(Protocol):
    """What the pipeline needs of an encoder; `PhotoEncoder` is the real one."""

    name: str
    width: int
    size: tuple[int, int]  # (height, width) of a prepared photo

    def prepare(self, image: Image.Image) -> np.ndarray:
        """(height, width, 3) uint8; called from several threads."""

    def encode(self, images: np.ndarray) -> np.ndarray:
        """(N, height, width, 3) uint8 -> (N, width) float32."""


@dataclass
class Decoded:
    """One file as a thread leaves it; `pixels` is None where the content is cached already, or broken."""

    path: str
    stamp: str = ""
    key: bytes = b""
    pixels: np.ndarray | None = None
    problem: str | None = None


class PhotoJob:
    """One pass over a market's photos.

    Attributes:
        keys: content key of each path that has a vector in the store.
        broken: (stamp of the file, reason) of each path that has none.
    """

    def __init__(self, market_path: Path, store: VectorCache) -> None:
        self.market, self.store = Path(market_path).resolve(), store
        self.keys: dict[str, bytes] = {}
        self.broken: dict[str, tuple[str, str]] = {}

    def recall(self, path: str) -> str | None:
        """Settle a path without reading its file: unchanged and cached, or not to be followed at all.

        Returns:
            None where it is settled, otherwise the stamp of the file that has to be read.
        """
        try:
            stamp = photo_files.stamp(photo_files.locate(self.market, path))
        except PhotoProblem as problem:
            self.broken[path] = ("", str(problem))
            return None
        key = self.store.recall(path, stamp)
        if key is None or key not in self.store:
            return stamp
        self.keys[path] = key
        return None

    def read(self, path: str) -> tuple[str, bytes, bytes]:
        """Stamp, content key and bytes of a file.

        Raises:
            PhotoProblem: it cannot be read.
        """
        file = photo_files.locate(self.market, path)
        stamp = photo_files.stamp(file)  # before reading, so that a change meanwhile is seen next time
        data = photo_files.read(file)
        return stamp, hashlib.sha256(data).digest(), data

    def run(self, paths: list[str], encoder: Encoder, batch_size: int, workers: int) -> Iterator[int]:
        """Embed what the store does not hold; gives the number of paths done after each batch.

        Raises:
            VibesError: the store cannot be written.
        """
        waiting: deque[Future[Decoded]] = deque()
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

    def _decode(self, path: str, encoder: Encoder) -> Decoded:
        stamp = ""
        try:
            stamp, key, data = self.read(path)
            if key in self.store:
                return Decoded(path, stamp, key)
            with photo_files.open_photo(data, encoder.size) as image:
                return Decoded(path, stamp, key, encoder.prepare(image))
        except PhotoProblem as problem:
            return Decoded(path, stamp, problem=str(problem))

    def _encode(self, batch: list[Decoded], encoder: Encoder) -> None:
        # The same content twice in a batch is encoded once.
        new = {p.key: p.pixels for p in batch if p.pixels is not None and p.key not in self.store}
        if new:
            vectors = encoder.encode(np.stack(list(new.values())))  # (N, H, W, 3) -> (N, width)
            largest = np.finfo(self.store.dtype).max
            for key, vector in zip(new, vectors, strict=True):
                if (np.abs(vector) <= largest).all():  # False for NaN as well
                    self.store.add(key, vector)
        for photo in batch:
            if photo.problem is None and photo.key not in self.store:
                photo.problem = "the encoder gives it no finite vector"
            if photo.problem is None:
                self.keys[photo.path] = photo.key
                self.store.remember(photo.path, photo.stamp, photo.key)
            else:
                self.broken[photo.path] = (photo.stamp, photo.problem)
