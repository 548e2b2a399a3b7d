"""The evaluation against a naive one that shares no code with it, and against bad scorers."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.agreement import assert_agrees
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Queries, Split, make_split
from listing_vibes.progress import Counted
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.interactions import Interactions


class Modulo:
    """Scores by the row of a listing modulo 4: nothing but ties."""

    name = "modulo"

    def __init__(self, listings: int) -> None:
        self.values = (np.arange(listings) % 4).astype(np.float32)

    def score(self, batch: Queries) -> np.ndarray:
        return np.tile(self.values, (len(batch), 1))


class Fixed:
    """Gives the same matrix, whatever is asked."""

    def __init__(self, scores: np.ndarray, name: str = "fixed") -> None:
        self.scores, self.name = scores, name

    def score(self, batch: Queries) -> np.ndarray:
        return np.resize(self.scores, (len(batch), self.scores.shape[-1]))


@pytest.fixture
def crowded_market(tiny_market):
    """A market with lifetimes in which users touch listings again, and several on one day."""

    def make(timed: bool) -> Market:
        path = tiny_market(
            listings=60, users=150, events_per_user=12, photos=0, timed=timed, lifetimes=timed, seed=3
        )
        events = pd.read_parquet(path / "events.parquet")
        again = events.sample(60, random_state=1)
        if timed:
            again["timestamp"] += pd.to_timedelta(np.arange(60) % 20, unit="D")
            events = pd.concat([events, again])
            events["timestamp"] = events["timestamp"].dt.floor("D")
        else:
            again["position"] += 100
            events = pd.concat([events, again])
        events.to_parquet(path / "events.parquet", index=False)
        return Market.open(path)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("timed", [True, False])
def test_agrees_with_the_naive_evaluation_to_six_digits_ties_included(crowded_market, timed):
    def others(log: EventLog, split: Split) -> list:
        return [Modulo(log.listings), ItemKNN.fit(Interactions.of(log, split.train), shrink=3.0, decay=0.7)]

    assert_agrees(crowded_market(timed), others, days=9, batch=7)


@pytest.fixture
def setting(random_split):
    return random_split(1)


def test_the_size_of_a_batch_changes_nothing(setting):
    log, split, _ = setting
    scorers, updates = [ItemKNN.fit(Interactions.of(log, split.train)), Popularity.fit(log, split.train)], []
    one, all_at_once = (
        rank_queries(scorers, *setting, batch_size=size, report=updates.append) for size in (1, 1000)
    )
    assert one.to_dict() == all_at_once.to_dict()
    assert updates[-1] == Counted("evaluate", len(split.test), len(split.test))


def test_bad_scorers_and_empty_tests_are_refused(setting):
    log, split, _ = setting
    scores = np.zeros(log.listings, np.float32)
    scores[7] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        rank_queries([Fixed(scores)], *setting)
    with pytest.raises(ValueError, match="of shape"):
        rank_queries([Fixed(np.zeros(3, np.float32))], *setting)
    with pytest.raises(ValueError, match="distinct names"):
        rank_queries([Modulo(log.listings), Modulo(log.listings)], *setting)
    with pytest.raises(VibesError, match="no query to evaluate"):
        rank_queries([Modulo(log.listings)], *setting, queries=split.test.take(slice(0, 0)))
    seen = replace(
        split.test, target=log.listing[split.test.start]
    )  # each has its first listing for a target
    with pytest.raises(ValueError, match="not among its candidates"):
        rank_queries([Modulo(log.listings)], *setting, queries=seen)
    with pytest.raises(VibesError, match="No scorer"):
        rank_queries([Modulo(log.listings)], *setting).queries_frame(None)


@pytest.mark.parametrize("most, trivial", [(30, [30, 100]), (31, [100]), (101, [])])
def test_a_recall_that_any_order_has_is_called_so(setting, most, trivial):
    found = rank_queries([Modulo(setting[0].listings)], *setting)
    candidates = np.full(len(found.queries), most)
    headline = replace(found, candidates=candidates).headline
    assert [k for k in (10, 30, 100) if f"recall@{k} " in f"{headline} "] == trivial


def test_a_hidden_history_is_no_candidate_in_leave_one_out(crowded_market):
    market = crowded_market(False)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue, "leave-one-out")
    scorer = Modulo(log.listings)
    shown = rank_queries([scorer], log, split.with_history(False), catalogue)
    hidden = rank_queries([scorer], log, split.with_history(True), catalogue)
    assert hidden.headline.startswith("leave-one-out, history hidden:") and hidden.to_dict()["history_hidden"]
    assert shown.headline.startswith("leave-one-out:") and not shown.to_dict()["history_hidden"]
    assert (shown.candidates == log.listings).all()
    again = 0
    for row, (start, end, target) in enumerate(
        zip(split.test.start, split.test.end, split.test.target, strict=True)
    ):
        history = set(log.listing[start:end].tolist())
        left = [one for one in range(log.listings) if one not in history]
        assert hidden.candidates[row] == len(left)
        if target in history:
            again += 1
            assert hidden.ranks["modulo"][row] == len(left) + 1
        else:
            better = sum(scorer.values[one] >= scorer.values[target] for one in left)
            assert hidden.ranks["modulo"][row] == better
    assert 0 < again < len(split.test)


def test_the_document_has_the_shape_of_the_design(setting):
    log, split, _ = setting
    model = ItemKNN.fit(Interactions.of(log, split.train))
    named = Fixed(model.score(split.test), "default ranking")
    found = rank_queries(
        [named, Popularity.fit(log, split.train), Modulo(log.listings)], *setting, batch_size=10_000
    )
    document = json.loads(json.dumps(found.to_dict()))
    assert list(document) == [
        "protocol",
        "history_hidden",
        "queries",
        "users",
        "results",
        "differences",
        "slices",
        "stability",
        "notes",
    ]
    assert (document["protocol"], document["queries"]) == ("temporal", len(split.test))
    assert list(document["results"]) == ["default ranking", "popularity", "modulo"]
    metrics = ["recall@10", "recall@30", "recall@100", "ndcg@10", "ndcg@30", "mrr"]
    assert list(document["results"]["default ranking"]) == [*metrics, "coverage@30"]
    for estimate in document["results"]["default ranking"].values():
        assert list(estimate) == ["value", "low", "high"]
        assert estimate["low"] <= estimate["value"] <= estimate["high"]
    assert list(document["differences"]) == ["default ranking - popularity", "default ranking - modulo"]
    one = document["differences"]["default ranking - popularity"]["mrr"]
    assert list(one) == ["value", "low", "high", "p_value", "p_holm"]
    both = (document["results"][name]["mrr"]["value"] for name in ("default ranking", "popularity"))
    assert one["value"] == pytest.approx(next(both) - next(both))
    assert one["p_value"] <= one["p_holm"] <= 2 * one["p_value"]
    slices = document["slices"]
    assert slices["cold users"]["queries"] + slices["warm users"]["queries"] == len(split.test)
    mask = found.cold_listing
    assert 0 < mask.sum() < len(mask)
    ranks = found.ranks["default ranking"][mask]
    users = split.test.user[mask]
    by_hand = np.mean([np.mean(1 / ranks[users == user]) for user in np.unique(users)])
    assert slices["cold listings"]["results"]["default ranking"]["mrr"]["value"] == pytest.approx(by_hand)


def test_one_user_has_no_interval_and_an_empty_slice_no_results(make_log, always_live):
    log = make_log([0, 0], [0, 1], [1, 5], 3, 1)
    catalogue = always_live(log)
    split = make_split(log, catalogue, "temporal", 5, 5)
    found = rank_queries([Modulo(3), Popularity.fit(log, split.train)], log, split, catalogue)
    for estimate in found.results["modulo"].values():
        assert (estimate["low"], estimate["high"]) == (None, None)
    assert all(row["low"] is None for row in found.stability)
    assert "one user" in found.table() and "history 10+" in found.slice_table()
    assert found.slices["history 10+"] == {"queries": 0, "users": 0, "results": {}}
