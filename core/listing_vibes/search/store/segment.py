"""A part of a store that never changes: ids, vectors and attributes in files that are mapped, not read."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.io import read_kept
from listing_vibes.search.index import ExactIndex
from listing_vibes.search.index.approximate import ApproximateIndex
from listing_vibes.search.store.filters import matches
from listing_vibes.search.store.protocol import Filter

IDS, VECTORS, ATTRIBUTES, INDEX = "ids.npy", "vectors.npy", "attributes.parquet", "index.faiss"
READ_WHOLE = 64 * 2**20  # bytes; larger vectors stay on disk until they are searched


@dataclass(eq=False)
class Segment:
    """n listings under one name.

    Attributes:
        ids: (n,) str.
        vectors: (n, width) float32, L2-normalised.
        live: (n,) bool, False for what was taken out or replaced since; it alone changes.
        folder: where the files lie; None as long as they are not written.
        index: what is searched instead of all vectors, and `told` the kind, effort and recall that it has.
    """

    ids: np.ndarray
    vectors: np.ndarray
    live: np.ndarray
    name: str
    attributes_: pd.DataFrame | None = None
    folder: Path | None = None
    index: ApproximateIndex | None = None
    told: dict[str, Any] | None = None

    @classmethod
    def of(cls, ids: np.ndarray, vectors: np.ndarray, attributes: pd.DataFrame) -> Segment:
        """A new segment, in memory."""
        return cls(ids, vectors, np.ones(len(ids), bool), uuid.uuid4().hex[:16], attributes)

    @classmethod
    def open(cls, folder: Path, told: dict[str, Any] | None = None) -> Segment:
        """The segment in `folder`, all of it live, with the index that it was `told` to have.

        Raises:
            FileNotFoundError: it is gone, because the store was saved since its list was read.
            VibesError: damaged.
        """
        try:
            ids = np.load(folder / IDS, mmap_mode="r", allow_pickle=False)
            vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
        except (FileNotFoundError, MemoryError):
            raise
        except Exception as error:  # numpy raises nearly anything on damaged bytes
            raise _damaged(folder, error) from error
        if ids.ndim != 1 or ids.dtype.kind != "U" or vectors.ndim != 2 or vectors.dtype != np.float32:
            raise _damaged(folder, f"its vectors are {vectors.dtype} {vectors.shape}")
        if len(ids) != len(vectors):
            raise _damaged(folder, f"it has {len(vectors):,} vectors for {len(ids):,} listings")
        if vectors.nbytes <= READ_WHOLE and not np.isfinite(vectors).all():
            raise _damaged(folder, "its vectors hold NaN or infinity")
        segment = cls(ids, vectors, np.ones(len(ids), bool), folder.name, None, folder)
        if told is not None:
            segment.told = told
            digest = told.get("sha256", "")
            if digest and digest != _digest(folder / INDEX):  # an index of other bytes may end the process
                raise VibesError(f"The index {folder / INDEX} is damaged; build it again.")
            segment.index = ApproximateIndex.read(folder / INDEX, vectors, told["kind"], told["effort"])
        return segment

    def write(self, parent: Path) -> None:
        """Write the files into `parent`/name; a segment that lies there already is left alone."""
        folder = parent / self.name
        if self.folder == folder:
            return
        for name, array in ((IDS, self.ids), (VECTORS, self.vectors)):
            with atomic_path(folder / name) as temporary, temporary.open("wb") as stream:
                np.save(stream, array, allow_pickle=False)
        with atomic_path(folder / ATTRIBUTES) as temporary:
            self.attributes.to_parquet(temporary, index=False)
        if self.index is not None:
            with atomic_path(folder / INDEX) as temporary:
                self.index.write(temporary)
            self.told = {**(self.told or {}), "sha256": _digest(folder / INDEX)}
        self.folder = folder

    @property
    def attributes(self) -> pd.DataFrame:
        """n rows; read when they are first asked for."""
        if self.attributes_ is None:
            assert self.folder is not None
            table = read_kept(self.folder / ATTRIBUTES, (), "fill the store again")
            if table is None or len(table) not in (len(self.ids), 0):
                raise _damaged(self.folder, f"{ATTRIBUTES} is missing or of other listings")
            self.attributes_ = table.reindex(range(len(self.ids)))  # parquet counts no rows without a column
        return self.attributes_

    @cached_property
    def _exact(self) -> ExactIndex:
        return ExactIndex(self.vectors, known=np.ones(len(self.ids), bool))  # no zero row gets in

    @cached_property
    def row(self) -> dict[str, int]:
        """Row by id."""
        return {listing: row for row, listing in enumerate(self.ids.tolist())}

    def drop(self, ids: list[str]) -> None:
        """Take out those of `ids` that are here."""
        rows = [self.row[listing] for listing in ids if listing in self.row]
        self.live[rows] = False

    def kept(self) -> Segment:
        """A segment of what is live."""
        rows = np.flatnonzero(self.live)
        table = self.attributes.iloc[rows].reset_index(drop=True)
        return Segment.of(self.ids[rows], self.vectors[rows], table)

    def search(self, queries: np.ndarray, k: int, filter: Filter | None) -> tuple[np.ndarray, np.ndarray]:
        """Ids (B, k) object and scores (B, k), as `Found` describes them."""
        allowed = self.live if not filter else self.live & matches(self.attributes, filter)
        index = self.index or self._exact
        rows, scores = index.search(queries, k, allowed)
        ids = self.ids[np.maximum(rows, 0)].astype(object)
        ids[rows < 0] = None
        return ids, scores


def _damaged(folder: Path, reason: object) -> VibesError:
    return VibesError(
        f"The part {folder} of the store is damaged ({' '.join(str(reason).split())[:200]}); fill the store again."
    )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
