"""A vector store that follows a run through its refreshes: what is live, at the price of what differs."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers.copies import copied
from helpers.milvus import search_collection
from helpers.newcomers import new_events, new_listings
from listing_vibes.cli import app
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run
from listing_vibes.search.milvus_store import MilvusStore
from listing_vibes.serving.refresh.milvus import MilvusFollower
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import FileSource

pytest.importorskip("milvus_lite")
pytestmark = pytest.mark.slow  # starts a server of its own


def read_store(place: Path) -> MilvusStore:
    return MilvusStore.open(place, collection="listings_model")


def test_a_store_loses_what_the_run_has_no_more(trained, tmp_path):
    place, is_active = tmp_path / "store.db", trained.catalogue.live(trained.after_last_event)
    vectors = trained.vectors("model")
    before = MilvusStore.open(place, vectors.shape[1], "listings_model")
    ended = int(np.flatnonzero(~is_active)[0])
    before.upsert(["sold long ago", trained.listing_ids[ended]], vectors[is_active][:2])
    before.save()
    put, out = MilvusFollower(place).follow(trained)
    assert out == 2 and len(read_store(place).ids()) == put == is_active.sum()


def test_the_command_fills_a_collection_and_a_folder_is_refused(trained, tmp_path):
    command = ["export", str(trained.path), "--milvus"]
    done = CliRunner().invoke(app, [*command, str(tmp_path / "a.db")])
    assert f"{len(read_store(tmp_path / 'a.db').ids()):,} vectors" in done.stdout
    failed = CliRunner().invoke(app, [*command, str(tmp_path / "folder")])
    assert isinstance(failed.exception, VibesError)


def test_a_store_gets_what_differs_and_holds_what_is_live(trained, tmp_path):
    run = copied(trained, tmp_path)
    (tmp_path / "listings").mkdir()
    (tmp_path / "events").mkdir()
    sources = {name: FileSource(tmp_path / name) for name in ("listings", "events")}
    refresher = Refresher(run.path, sources)
    follower = MilvusFollower(tmp_path / "store.db")
    put, _ = follower.follow(Run.open(run.path))
    is_live = run.catalogue.live(run.after_last_event)
    assert put == is_live.sum() == len(read_store(tmp_path / "store.db").ids()) < len(run.listing_ids)

    at = run.market.events[C.TIMESTAMP].max()
    alive = run.market.listings[is_live]
    gone = alive[[C.LISTING]].iloc[[0]].assign(**{C.EXPIRES: at})
    pd.concat([new_listings(run.market, 2), alive.iloc[[1]].assign(price=5.0)]).to_parquet(
        tmp_path / "listings" / "a.parquet"
    )
    gone.to_csv(tmp_path / "listings" / "b.csv", index=False)
    refresher.refresh()
    assert follower.follow(Run.open(run.path)) == (3, 1)
    new_events(run.market, [], 6, 10).to_parquet(
        tmp_path / "events" / "a.parquet"
    )  # a day on: more have expired
    refresher.refresh()
    follower.follow(Run.open(run.path))

    opened = Run.open(run.path)
    now = opened.catalogue.live(opened.after_last_event) & opened.index("model").known
    assert len(read_store(tmp_path / "store.db").ids()) == now.sum()
    queries = opened.vectors("model")[[0, -1]]
    rows, scores = opened.index("model").search(queries, 10, now)
    search = partial(search_collection, tmp_path / "store.db", "listings_model", queries)
    ids, found = search(10)
    assert ids.tolist() == np.array(opened.listing_ids, object)[rows].tolist()
    np.testing.assert_allclose(found, scores, atol=1e-5)
    assert search(1, "price == 5.0")[0][0, 0] == alive[C.LISTING].iloc[1]
