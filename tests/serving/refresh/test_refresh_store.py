"""A vector store that follows a run through its refreshes: what is live, at the price of what differs."""

import numpy as np
import pandas as pd
import pytest

from helpers.copies import copied
from helpers.newcomers import new_events, new_listings
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run
from listing_vibes.search.store.faiss_store import FaissStore
from listing_vibes.search.store.opening import open_store
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import FolderSource
from listing_vibes.serving.refresh.store import Follower


def test_a_store_loses_what_the_run_has_no_more_and_is_followed_on_once_another_wrote_it(trained, tmp_path):
    place, live = tmp_path / "store", trained.catalogue.live(trained.after_last_event)
    vectors = trained.vectors("model")
    before, ended = FaissStore.open(place / "model", vectors.shape[1]), int(np.flatnonzero(~live)[0])
    before.upsert(["sold long ago", trained.listing_ids[ended]], vectors[live][:2])
    before.save()
    follower = Follower(place)
    put, out = follower.follow(trained)
    assert out == 2 and len(open_store(place)) == put == live.sum()
    other, *_ = Follower(place).bring(trained)
    other.build()
    other.save()
    follower._store.delete(trained.listing_ids[:1])
    with pytest.raises(VibesError, match="written by another process"):
        follower.follow(trained)
    assert follower.follow(trained)[0] == put and len(open_store(place)) == put


@pytest.mark.slow
def test_a_store_gets_what_differs_and_holds_what_is_live(trained, tmp_path):
    run = copied(trained, tmp_path)
    (tmp_path / "listings").mkdir()
    (tmp_path / "events").mkdir()
    sources = {name: FolderSource(tmp_path / name) for name in ("listings", "events")}
    refresher = Refresher(run.path, sources)
    follower = Follower(tmp_path / "store")
    put, _ = follower.follow(refresher.run)
    is_live = run.catalogue.live(run.after_last_event)
    assert put == is_live.sum() == len(open_store(tmp_path / "store")) < len(run.listing_ids)

    at = run.market.events[C.TIMESTAMP].max()
    alive = run.market.listings[is_live]
    gone = alive[[C.LISTING]].iloc[[0]].assign(**{C.EXPIRES: at})
    pd.concat([new_listings(run.market, 2), alive.iloc[[1]].assign(price=5.0)]).to_parquet(
        tmp_path / "listings" / "a.parquet"
    )
    gone.to_csv(tmp_path / "listings" / "b.csv", index=False)
    refresher.look()
    assert follower.follow(refresher.run) == (3, 1)
    new_events(run.market, [], 6, 10).to_parquet(
        tmp_path / "events" / "a.parquet"
    )  # a day on: more have expired
    refresher.look()
    follower.follow(refresher.run)

    opened = Run.open(run.path)
    now = opened.catalogue.live(opened.after_last_event) & opened.index("model").known
    read = open_store(tmp_path / "store")
    assert len(read) == now.sum()
    queries = opened.vectors("model")[[0, -1]]
    rows, scores = opened.index("model").search(queries, 10, now)
    found = read.search(queries, 10)
    assert found.ids.tolist() == np.array(opened.listing_ids, object)[rows].tolist()
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    cheap = read.search(queries, 1, {"price": 5.0})
    assert cheap.ids[0, 0] == alive[C.LISTING].iloc[1]
