"""A collection in Milvus that follows a run: it holds what is active, and gets only what a refresh changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.search.store.milvus_store import MilvusStore


class Follower:
    """Brings a store to the state of a run; the first time whole, then by what differs.

    Args:
        place: see `MilvusStore.open`; the collection `listings_SPACE` holds the model's space, or the first that the run has.
    """

    def __init__(self, place: Path | str) -> None:
        self.place = place
        self._store: MilvusStore | None = None
        self._vectors: np.ndarray | None = None  # (L, d) as the store has them, zero where it has none
        self._attributes = pd.DataFrame()

    def follow(self, run: Run) -> tuple[int, int]:
        """Publish in the store what is live in `run`; returns how many listings were put in, and taken out.

        Raises:
            VibesError: the store cannot be opened or written.
        """
        try:
            store, put, out = self.bring(run)
            store.save()
        except VibesError:
            # Somebody else may have written it: the next time it is opened anew, and brought whole.
            self._store = self._vectors = None
            raise
        return put, out

    def bring(self, run: Run) -> tuple[MilvusStore, int, int]:
        """The store with what is live in `run`, not yet saved, and how many listings were put in, and taken out."""
        space = run.spaces[0]
        vectors = run.vectors(space)
        if self._store is None:
            self._store = MilvusStore.open(self.place, vectors.shape[1], f"listings_{space}")
        store = self._store
        attributes = filterable(run.market)
        is_live = run.catalogue.live(run.after_last_event)
        wanted = np.where(is_live[:, None], vectors, 0).astype(np.float32)  # (L, d)
        put = np.asarray(wanted.any(axis=1))  # (L,)
        ids, gone = np.array(run.listing_ids, dtype=object), []
        if self._vectors is not None:
            count = len(self._vectors)
            gone = ids[:count][~put[:count] & self._vectors.any(axis=1)].tolist()
            put[:count] &= (wanted[:count] != self._vectors).any(axis=1) | _differs(
                attributes[:count], self._attributes
            )
        store.delete(gone)
        if put.any():
            store.upsert(ids[put].tolist(), wanted[put], attributes[put].reset_index(drop=True))
        if self._vectors is None and len(store) > put.sum():
            # Of what it was filled from before: the market may have lost listings since.
            gone = sorted(set(store.ids()) - set(ids[put]))
            store.delete(gone)
        self._vectors, self._attributes = wanted, attributes
        return store, int(put.sum()), len(gone)


def filterable(market: Market) -> pd.DataFrame:
    """The attributes that a store can filter by, one row a listing."""
    names = [attribute.name for attribute in market.attributes if type_of(attribute.kind).short]
    return market.listings[[name for name in names if name != C.LISTING]]


def _differs(one: pd.DataFrame, two: pd.DataFrame) -> np.ndarray:
    """(n,) bool: which rows differ in a column."""
    other = np.zeros(len(one), bool)
    for name in one.columns:
        a, b = one[name].reset_index(drop=True), two[name].reset_index(drop=True)
        same = (a == b).fillna(False).to_numpy(bool) | (a.isna() & b.isna()).to_numpy(bool)
        other |= ~same
    return other
