"""A collection in Milvus that follows a run: it holds what is active, and gets only what a refresh changed."""

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
    """Brings a collection to the state of a run: the first time in full, then by what differs.

    Args:
        place: see `MilvusStore.open`; the collection `listings_SPACE` holds the model's space, or the first that the run has.
    """

    def __init__(self, place: Path | str) -> None:
        self.place = place
        self._store: MilvusStore | None = None
        self._hashes = pd.Series(dtype="uint64")  # by listing id, of the rows that the store has

    def follow(self, run: Run) -> tuple[int, int]:
        """Publish in the store what is active in `run`; returns how many listings were put in, and taken out.

        Raises:
            VibesError: the store cannot be opened or written.
        """
        space = run.spaces[0]
        vectors = run.vectors(space)
        try:
            if self._store is None:
                self._store = MilvusStore.open(self.place, vectors.shape[1], f"listings_{space}")
                self._hashes = pd.Series(0, index=self._store.ids(), dtype="uint64")  # unknown rows
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
            self._store = None  # something else may have written it: the next time it is brought in full
            raise
        self._hashes = hashes
        return int(put.sum()), len(gone)
