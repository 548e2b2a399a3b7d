"""A Milvus collection has the active listings of a run, also after a refresh."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.commands import vibes
from helpers.copies import copied
from helpers.milvus import search_collection
from helpers.newcomers import new_listings
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run
from listing_vibes.search.milvus_store import MilvusStore
from listing_vibes.serving.export.vectors import fill_collection
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import FileSource

pytest.importorskip("milvus_lite")
pytestmark = pytest.mark.slow  # starts a server of its own


def read_ids(place: Path) -> set[str]:
    return set(MilvusStore.open(place, collection="listings_model").ids())


def test_a_collection_is_brought_up_to_date(trained, tmp_path):
    run, place = copied(trained, tmp_path), tmp_path / "store.db"
    is_active = run.catalogue.live(run.after_last_event)
    store = MilvusStore.open(place, run.vectors("model").shape[1], "listings_model")
    store.upsert(["sold long ago"], run.vectors("model")[is_active][:1])
    store.save()
    assert f"{is_active.sum():,} vectors" in vibes("export", run.path, "--milvus", place).stdout
    assert read_ids(place) == set(np.array(run.listing_ids)[is_active])
    vibes("export", run.path, "--milvus", tmp_path / "folder", check=2)

    active, new = run.market.listings[is_active], tmp_path / "listings"
    new.mkdir()
    pd.concat([new_listings(run.market, 2), active.iloc[[1]].assign(price=5.0)]).to_parquet(new / "a.parquet")
    ended = active[[C.LISTING]].iloc[[0]].assign(**{C.EXPIRES: run.market.events[C.TIMESTAMP].max()})
    ended.to_csv(new / "b.csv", index=False)
    Refresher(run.path, {"listings": FileSource(new)}).refresh()
    opened = Run.open(run.path)
    now = opened.catalogue.live(opened.after_last_event) & opened.index("model").known
    assert fill_collection(opened, str(place)) == now.sum()
    assert read_ids(place) == set(np.array(opened.listing_ids)[now])

    queries = opened.vectors("model")[[0, -1]]
    rows, scores = opened.index("model").search(queries, 10, now)
    search = partial(search_collection, place, "listings_model", queries)
    ids, found = search(10)
    assert ids.tolist() == np.array(opened.listing_ids, object)[rows].tolist()
    np.testing.assert_allclose(found, scores, atol=1e-5)
    assert search(1, "price == 5.0")[0][0, 0] == active[C.LISTING].iloc[1]
