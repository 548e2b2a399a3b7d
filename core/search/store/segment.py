"""A part of a store that never changes: ids, vectors and attributes in files that are mapped, not read."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import VibesError
from core.market.io import atomic_path
from core.search.index import ExactIndex
from core.search.index.approximate import ApproximateIndex
from core.search.store.filters import matches
from core.search.store.protocol import Filter

IDS, VECTORS, ATTRIBUTES, INDEX = "ids.npy", "vectors.npy", "attributes.parquet", "index.faiss"


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
        except FileNotFoundError:
            raise
        except (OSError, ValueError, EOFError) as error:
            raise VibesError(
                f"The part {folder} of the store is damaged ({error}); fill the store again."
            ) from error
        if vectors.ndim != 2 or len(ids) != len(vectors):
            raise VibesError(f"The part {folder} of the store is damaged; fill the store again.")
        segment = cls(ids, vectors, np.ones(len(ids), bool), folder.name, None, folder)
        if told is not None:
            segment.told = told
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
        self.folder = folder

    @property
    def attributes(self) -> pd.DataFrame:
        """n rows; read when they are first asked for."""
        if self.attributes_ is None:
            assert self.folder is not None
            table = pd.read_parquet(self.folder / ATTRIBUTES)
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
