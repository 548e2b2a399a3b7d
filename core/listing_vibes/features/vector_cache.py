"""Vectors by content hash, in a folder of small files that survives being killed at any moment."""

import itertools
import json
import logging
import os
import re
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path

KEY_BYTES = 32  # sha256
#: Shards below this many rows are merged by `compact`.
SHARD_ROWS = 16_384
#: A kill loses at most this many vectors, or this much work (seconds).
FLUSH_ROWS = 4096
FLUSH_SECONDS = 10.0
#: What a shard of another program, a torn disk or a flipped bit makes numpy raise.
_DAMAGE = (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error)

_log = logging.getLogger(__name__)
_counter = itertools.count()


class VectorCache:
    """Append-only store of one encoder's vectors; each `flush` writes one shard under a new name.

    A shard that says another encoder, or another width, is ignored, so vectors of two encoders never mix.
    It also remembers names (file paths) with a stamp, so that unchanged files are not read again.

    Args:
        root: the shards lie in a folder below it that is called like the encoder; made on the first write.
        encoder: name of the encoder.
        width: width of a vector; None takes the width found on disk.
        dtype: how vectors are stored.
    """

    def __init__(self, root: Path, encoder: str, width: int | None, dtype: type = np.float16) -> None:
        self.folder = Path(root) / folder_name(encoder)
        self.encoder, self.width, self.dtype = encoder, width, dtype
        self._where: dict[bytes, tuple[Path, int]] = {}
        self._names: dict[str, tuple[str, bytes]] = {}
        self._new_keys: dict[bytes, np.ndarray] = {}
        self._new_names: dict[str, tuple[str, bytes]] = {}
        self._shards: set[Path] = set()
        self._flushed = time.monotonic()
        self._scan()

    def __contains__(self, key: bytes) -> bool:
        return key in self._where or key in self._new_keys

    def __len__(self) -> int:
        return len(self._where) + len(self._new_keys)

    def add(self, key: bytes, vector: np.ndarray) -> None:
        """Keep a vector (width,) under a 32-byte key."""
        self._new_keys[key] = np.asarray(vector, dtype=self.dtype)

    def remember(self, name: str, stamp: str, key: bytes) -> None:
        """Keep that `name`, as long as its stamp stays, has the content `key`."""
        self._names[name] = self._new_names[name] = (stamp, key)

    def recall(self, name: str, stamp: str) -> bytes | None:
        """The content key of an unchanged name, or None."""
        known = self._names.get(name)
        return known[1] if known is not None and known[0] == stamp else None

    def flush(self, only_if_due: bool = False) -> None:
        """Write what is new as one shard; `only_if_due` waits until there is enough of it.

        Raises:
            VibesError: the disk is full or the folder cannot be written.
        """
        fresh = len(self._new_keys) + len(self._new_names)
        due = fresh >= FLUSH_ROWS or time.monotonic() - self._flushed >= FLUSH_SECONDS
        if not fresh or (only_if_due and not due):
            return
        keys = list(self._new_keys)
        shard = self._write(keys, list(self._new_keys.values()), self._new_names)
        self._index(shard, keys)
        self._new_keys, self._new_names = {}, {}
        self._flushed = time.monotonic()

    def gather(
        self, keys: Sequence[bytes | None], into: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Vectors in the order of `keys`, written into an array (N, width) of zeros where one is given.

        Returns:
            (N, width) vectors, zero where a key is None or unknown, and (N,) bool, True where it is known.

        Raises:
            VibesError: a shard can no longer be read.
        """
        self.flush()
        for _ in range(3):
            try:
                return self._gather(keys, into)
            except FileNotFoundError:  # another process merged shards meanwhile: look where they are now
                self._scan()
        raise VibesError(f"{self.folder} keeps changing while it is read; run this after the other command.")

    def _gather(self, keys: Sequence[bytes | None], into: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        vectors: np.ndarray = (
            np.zeros((len(keys), self.width or 0), dtype=self.dtype) if into is None else into
        )  # (N, width)
        found = np.zeros(len(keys), dtype=bool)
        rows: dict[Path, list[tuple[int, int]]] = {}
        for target, key in enumerate(keys):
            if key is not None and key in self._where:
                shard, row = self._where[key]
                rows.setdefault(shard, []).append((target, row))
        for shard, pairs in rows.items():  # one shard in memory at a time
            targets, sources = np.array(pairs).T
            vectors[targets] = self._read(shard)[1][sources]
            found[targets] = True
        return vectors, found

    def compact(self) -> None:
        """Merge small shards, so that opening the cache stays quick; a kill in between loses nothing."""
        self.flush()
        sizes = dict.fromkeys(sorted(self._shards), 0)
        for shard, _ in self._where.values():
            sizes[shard] += 1
        small = [shard for shard, rows in sizes.items() if rows < SHARD_ROWS]
        while len(small) > 1:
            group: list[Path] = []
            while small and (not group or sum(sizes[s] for s in group) < SHARD_ROWS):
                group.append(small.pop(0))
            if len(group) > 1:
                try:
                    self._merge(group)
                except FileNotFoundError:  # another process merges at this moment: leave it to that one
                    return self._scan()

    def _merge(self, group: list[Path]) -> None:
        merged: dict[bytes, np.ndarray] = {}
        names: dict[str, tuple[str, bytes]] = {}
        for shard in group:
            shard_keys, vectors, shard_names = self._read(shard)
            merged.update(zip(shard_keys, vectors, strict=True))
            names |= {name: of for name, of in shard_names.items() if self._names.get(name) == of}
        self._index(self._write(list(merged), list(merged.values()), names), list(merged))
        self._shards.difference_update(group)
        for shard in group:  # only after the merged shard is in place
            shard.unlink(missing_ok=True)

    def _write(
        self, keys: list[bytes], vectors: list[np.ndarray], names: dict[str, tuple[str, bytes]]
    ) -> Path:
        width = self.width or 0
        shard = self.folder / f"{time.time_ns():020d}-{os.getpid()}-{next(_counter)}.npz"
        lines = [[name, stamp, key.hex()] for name, (stamp, key) in names.items()]
        with atomic_path(shard) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                encoder=np.array(self.encoder),
                keys=np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES),  # (N, 32)
                vectors=np.array(vectors, dtype=self.dtype).reshape(len(keys), width),  # (N, width)
                width=np.array(width),
                names=np.frombuffer(json.dumps(lines).encode(), dtype=np.uint8),
            )
        return shard

    def _scan(self) -> None:
        """Index the shards on disk (anew)."""
        self._where, self._shards = {}, set()
        complete = False
        while not complete:  # a shard that vanishes under us was merged: its successor is in the next listing
            new = [shard for shard in sorted(self.folder.glob("[0-9]*.npz")) if shard not in self._shards]
            complete = all(self._read_index(shard) for shard in new)

    def _read_index(self, shard: Path) -> bool:
        """Index one shard or say in the log why not; False where it has vanished."""
        try:
            with np.load(shard, allow_pickle=False) as arrays:
                keys, names = self._index_of(arrays)
                self.width = int(arrays["width"]) if self.width is None else self.width
                if int(arrays["width"]) != self.width:
                    raise ValueError(f"its vectors are {arrays['width']} wide, not {self.width}")
        except FileNotFoundError:
            return False
        except _DAMAGE as error:
            _log.warning("%s is not used (%s)", shard, error)
            return True
        self._index(shard, keys)
        self._names |= names
        return True

    def _index(self, shard: Path, keys: list[bytes]) -> None:
        self._shards.add(shard)
        self._where.update((key, (shard, row)) for row, key in enumerate(keys))

    def _read(self, shard: Path) -> tuple[list[bytes], np.ndarray, dict[str, tuple[str, bytes]]]:
        try:
            with np.load(shard, allow_pickle=False) as arrays:
                keys, names = self._index_of(arrays)
                vectors = arrays["vectors"]
        except FileNotFoundError:
            raise
        except _DAMAGE as error:
            raise VibesError(
                f"The cached vectors in {shard} cannot be read ({error}); delete that file and run again."
            ) from error
        if vectors.shape != (len(keys), self.width):
            raise VibesError(f"The cached vectors in {shard} are of another shape; delete it and run again.")
        return keys, vectors, names

    def _index_of(self, arrays: Any) -> tuple[list[bytes], dict[str, tuple[str, bytes]]]:
        encoder = str(arrays["encoder"])
        if encoder != self.encoder:
            raise ValueError(f"its vectors are of encoder {encoder}, not {self.encoder}")
        packed = arrays["keys"].tobytes()
        keys = [packed[i : i + KEY_BYTES] for i in range(0, len(packed), KEY_BYTES)]
        lines = json.loads(arrays["names"].tobytes())
        return keys, {name: (stamp, bytes.fromhex(key)) for name, stamp, key in lines}


def folder_name(encoder: str) -> str:
    """An encoder's name as a folder's name: what could climb out of the cache becomes an underscore."""
    return re.sub(r"[^A-Za-z0-9._@=-]", "_", encoder).strip(".") or "_"
