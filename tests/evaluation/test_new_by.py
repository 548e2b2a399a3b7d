"""`--new-by`: candidates that share an attribute with the history are left out, beside the naive evaluation."""

import naive_evaluation as naive
import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.new_by import NewBy
from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.baselines.recent_popularity import RecentPopularity
from listing_vibes.scoring.recency import RecentEvents


@pytest.fixture
def market(tiny_market):
    """Listings with a seller, one in ten without, and with up to two tags."""
    path = tiny_market(listings=60, users=80, events_per_user=6, photos=0, lifetimes=True, seed=3)
    rng, listings = np.random.default_rng(0), pd.read_parquet(path / "listings.parquet")
    sellers = pd.Series(rng.integers(0, 20, 60)).map("s{}".format)
    listings["seller"] = sellers.where(rng.random(60) > 0.1)
    listings["tags"] = [
        [f"t{tag}" for tag in set(rng.integers(0, 40, rng.integers(0, 3)))] for _ in range(60)
    ]
    listings.to_parquet(path / "listings.parquet")
    return Market.open(path)


def values_of(market: Market, attribute: str) -> dict[str, set]:
    """The values of each listing, in plain Python."""
    found = {}
    for row in market.listings.to_dict("records"):
        cell = row[attribute]
        if isinstance(cell, list):
            found[row["listing_id"]] = set(cell)
        else:
            found[row["listing_id"]] = set() if pd.isna(cell) else {cell}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("attribute", ["seller", "tags", "room_type"])
def test_ranks_among_the_new_agree_with_the_naive_evaluation(market, attribute):
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue)
    scorers = [Popularity.fit(log, split.train), RecentPopularity(RecentEvents.over_days(log, 9))]
    found = evaluate(scorers, log, split, catalogue, batch_size=7, new_by=NewBy.of(market, attribute))
    queries, train = naive.temporal(market.events, market.listings)
    values = values_of(market, attribute)
    asked = []
    for query in queries:
        told = set().union(*(values[listing] for listing in query["history"]))
        new = [listing for listing in query["candidates"] if not values[listing] & told]
        if query["target"] in new:
            asked.append({**query, "candidates": new})
    assert 0 < len(asked) < len(queries)
    for scorer, score in zip(
        scorers, (naive.popularity(train), naive.recent_popularity(market.events, 9)), strict=True
    ):
        metrics, frame = naive.evaluate(asked, score, train)
        ours = {metric: estimate["value"] for metric, estimate in found.results[scorer.name].items()}
        assert ours == pytest.approx(metrics, abs=1e-6)
        keys = ["user_id", "at", "target"]
        pd.testing.assert_frame_equal(
            found.queries_frame(market, scorer.name).sort_values(keys, ignore_index=True),
            frame.sort_values(keys, ignore_index=True),
            check_dtype=False,
        )


def test_an_evaluation_has_the_new_beside_the_rest(trained):
    found = evaluate_run(trained, baselines="none", new_by="district")
    document = found.to_dict()["new_by"]
    assert document["attribute"] == "district"
    assert document["queries"] == len(found.new.queries) < len(found.queries)
    assert document["results"] == found.new.results and document["differences"] == found.new.differences
    assert "what is new by district" in found.table()


def test_a_listing_without_a_value_shares_none(market):
    by = NewBy.of(market, "seller")
    missing = market.listings["seller"].isna().to_numpy()
    assert (np.asarray(by.member.sum(axis=1)).ravel() == ~missing).all()


def test_where_no_target_is_new_there_is_no_query(market):
    object.__setattr__(market, "listings", market.listings.assign(seller="the only one"))
    log = EventLog.from_market(market)
    split = make_split(log, Catalogue.of(market))
    assert not NewBy.of(market, "seller").has_new_target(log, split.test).any()


@pytest.mark.parametrize("name", ["color", "place"])
def test_another_name_than_an_attribute_is_refused(market, name):
    with pytest.raises(VibesError, match="--new-by"):
        NewBy.of(market, name)
