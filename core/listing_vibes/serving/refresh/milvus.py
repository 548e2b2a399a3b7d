"""A Milvus collection of a run's active listings, updated with the changes of each refresh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run
from listing_vibes.search.milvus_store import MilvusStore


class MilvusFollower:
    """Synchronizes a collection with a run: in full the first time, then by differences.

    Args:
        place: see `MilvusStore.open`; the collection `listings_SPACE` has the model's space, or the run's first space.
    """

    def __init__(self, place: Path | str) -> None:
        self.place = place
        self._store: MilvusStore | None = None
        self._hashes = pd.Series(dtype="uint64")  # hashes of the stored rows, by listing id

    def follow(self, run: Run) -> tuple[int, int]:
        """Synchronize the store with the active listings of `run`; return how many were inserted and deleted.

        Raises:
            VibesError: the store cannot be opened or written.
        """
        space = run.spaces[0]
        vectors = run.vectors(space)
        try:
            if self._store is None:
                self._store = MilvusStore.open(self.place, vectors.shape[1], f"listings_{space}")
                self._hashes = pd.Series(0, index=self._store.ids(), dtype="uint64")  # content unknown
            is_in = run.catalogue.live(run.after_last_event) & vectors.any(axis=1)
            ids = np.array(run.listing_ids, dtype=object)[is_in]
            names = [
                attribute.name
                for attribute in run.market.attributes
                if type_of(attribute.kind).short and attribute.name != C.LISTING
            ]
            attributes = run.market.listings[names][is_in].reset_index(drop=True)
            rows = pd.concat([attributes.astype("str"), pd.DataFrame(vectors[is_in])], axis=1)
            hashes = pd.Series(pd.util.hash_pandas_object(rows, index=False).to_numpy(), index=ids)
            gone = self._hashes.index.difference(hashes.index)
            put = (self._hashes.reindex(ids, fill_value=0) != hashes).to_numpy()
            self._store.delete(gone.tolist())
            if put.any():
                self._store.upsert(
                    ids[put].tolist(), vectors[is_in][put], attributes[put].reset_index(drop=True)
                )
            self._store.save()
        except VibesError:
            self._store = None  # the store may be in an unknown state, so the next call synchronizes in full
            raise
        self._hashes = hashes
        return int(put.sum()), len(gone)
