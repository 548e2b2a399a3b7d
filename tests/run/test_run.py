"""Opening a run, neighbors and recommendations."""

import shutil

import numpy as np
import pandas as pd
import pytest

from browser.painted import embed_run, paint_market
from helpers.commands import vibes
from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market


def test_neighbors_are_the_nearest_and_never_the_listing_itself(trained):
    listing = trained.listing_ids[5]
    for space in trained.spaces:
        found, vectors = trained.similar(listing, 10, space), trained.vectors(space)
        cosine = np.delete(vectors @ vectors[5], 5)
        np.testing.assert_allclose(found["score"], np.sort(cosine)[::-1][:10], atol=1e-5)
        assert listing not in set(found[C.LISTING])


def test_recommendations_are_active_and_new_to_the_user_and_depend_on_the_events_only(trained):
    log, market = trained.log, trained.market
    listings = market.listings.set_index(C.LISTING)
    for user in log.users[:10]:
        row = int(log.start[log.users.index(user) + 1]) - 1
        at = pd.Timestamp(int(log.time[row]), tz="UTC")
        if log.before[row] == log.start[log.user[row]]:
            continue
        found = listings.loc[trained.recommend(user, 20, at=at)[C.LISTING]]
        assert ((found[C.PUBLISHED] <= at) & (at < found[C.EXPIRES])).all()
        seen = market.events[(market.events[C.USER] == user) & (market.events[C.TIMESTAMP] < at)][C.LISTING]
        assert not set(seen) & set(found.index)
    user = market.events[C.USER].iloc[0]
    history = market.events.loc[market.events[C.USER] == user, [C.LISTING, C.ACTION, C.DURATION]]
    pd.testing.assert_frame_equal(trained.recommend(user, 15), trained.recommend(history, 15))


def test_a_run_without_a_model_recommends_untrained_neighbors_of_the_history(bare):
    assert bare.spaces == ["attributes"]
    first, second, *_ = bare.listing_ids
    found = bare.recommend([first, second], 5)
    assert found.attrs["scorer"] == "untrained neighbors" and not {first, second} & set(found[C.LISTING])
    vectors = bare.vectors("attributes")
    user = 0.8 * vectors[0] + vectors[1]  # the newest listing counts most
    cosine = vectors @ user / np.linalg.norm(user)
    np.testing.assert_allclose(found["score"], np.sort(cosine[2:])[::-1][:5], atol=1e-5)
    # Of a history of one listing they are the listings most similar to it.
    assert bare.recommend([first], 5)[C.LISTING].tolist() == bare.similar(first, 5)[C.LISTING].tolist()
    assert len(bare.recommend([first], rules={"where": "price<=100", "diversity": 0.3, "not": second}))
    with pytest.raises(VibesError, match="no trained model to blend with recency"):
        bare.recommend([first], blend="recency")


def test_a_run_opens_without_its_market_and_says_so_when_it_changed(trained, tmp_path):
    market = tmp_path / "market"
    shutil.copytree(trained.market.path, market)
    embed_market(Market.open(market), tmp_path / "run", None, trained.path)
    run = Run.open(tmp_path / "run")
    assert not run.market_changed
    pd.read_parquet(market / "events.parquet").iloc[:-1].to_parquet(market / "events.parquet")
    assert Run.open(run.path).market_changed
    shutil.rmtree(market)
    gone = Run.open(run.path)
    assert len(gone.similar(gone.listing_ids[0], 5)) == 5
    with pytest.raises(VibesError, match="no longer at"):
        gone.market  # noqa: B018


def test_a_listing_without_a_photo_has_no_neighbors_by_photos(tmp_path):
    run = Run.open(embed_run(paint_market(tmp_path / "market", listings=4, users=0), tmp_path / "run"))
    first, *_, last = run.listing_ids  # the last one has no photo
    assert len(run.similar([first], 2, space="photos")) == 2
    for query in (last, [first, last]):
        with pytest.raises(VibesError, match=f"'{last}' has nothing in the space 'photos'"):
            run.similar(query, space="photos")


def test_an_unknown_id_is_refused(trained):
    with pytest.raises(NotThere, match="There is no listing 'x1'"):
        trained.row("x1")
    assert "'x1'" in vibes("similar", trained.path, "x1", check=1).stderr
