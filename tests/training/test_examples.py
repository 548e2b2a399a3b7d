"""Candidates against plain loops: what is a positive, what must never be a negative, how likely each is."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from helpers.trainings import changed
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.settings import BlendWeights, Resolved
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.run.scorers import model_scorer
from listing_vibes.scoring.blend import Blend, log_events
from listing_vibes.scoring.ranking import batches, pessimistic_ranks
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.scoring.tuning import recall
from listing_vibes.training.examples import (
    TrainingData,
    bank_candidates,
    fresh_candidates,
    inclusion_probability,
    make_examples,
    shuffled_baskets,
    simultaneous_share,
)
from listing_vibes.training.step import StepData
from listing_vibes.training.train import train


@pytest.fixture(params=["temporal", "leave-one-out"])
def case(request, small_market: Market):
    log, catalogue = EventLog.from_market(small_market), Catalogue.of(small_market)
    split = make_split(log, catalogue, request.param)
    warm = np.flatnonzero(log.counts(split.train) > 0)
    return log, catalogue, make_examples(log, split, 3), warm, request.param == "temporal"


@pytest.mark.parametrize("kind", ["fresh", "bank"])
def test_masks_by_hand(case, kind):
    log, catalogue, examples, warm, masked = case
    rows, rng = np.arange(0, len(examples), 9)[:25], np.random.default_rng(0)
    own = examples.positive[rows]
    draw = fresh_candidates if kind == "fresh" else bank_candidates
    drawn = draw(own, warm, 60, rng)
    data = StepData(examples, log, catalogue, None, warm, masked, 0, live=masked)
    positive, negative, first = data.masks(drawn.listing, rows)
    assert len(np.unique(drawn.listing)) == len(drawn.listing) and set(own[own >= 0]) <= set(drawn.listing)
    assert np.isin(drawn.listing, warm).all() and (kind == "fresh") == (drawn.bank_rows is None)
    if kind == "bank":
        assert (warm[drawn.bank_rows] == drawn.listing).all()
        assert len(drawn.listing) == max(60, len(np.unique(own[own >= 0])))
    for b, e in enumerate(rows):
        begin, end = examples.train_span[examples.user[e]]
        seen = set(log.listing[begin if masked else examples.end[e] : end].tolist())
        for c, listing in enumerate(drawn.listing):
            active = catalogue.since[listing] <= examples.at[e] < catalogue.until[listing] or not masked
            assert positive[b, c] == (listing in own[b])
            assert negative[b, c] == (active and listing not in seen and listing not in own[b])
        assert drawn.listing[first[b]] == own[b, 0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fresh", "bank"])
def test_the_probability_of_a_column_is_how_often_it_is_drawn(kind):
    rng, warm, positives = np.random.default_rng(0), np.arange(40), np.array([5, 6, 7, 8])
    share = np.bincount(positives, minlength=40) / 4
    counts, told = np.zeros(40), np.zeros(40)
    for _ in range(3000):
        own = rng.choice(positives, (3, 1)) if kind == "fresh" else np.array([[5]])
        drawn = (fresh_candidates if kind == "fresh" else bank_candidates)(own, warm, 9, rng)
        counts[drawn.listing] += 1
        told[drawn.listing] = inclusion_probability(drawn, share, 3, 40)
    others = np.setdiff1d(warm, [5]) if kind == "bank" else warm
    np.testing.assert_allclose(told[others], counts[others] / 3000, atol=0.04)


def test_a_whole_bank_needs_no_correction():
    drawn = bank_candidates(np.array([[3]]), np.arange(20), 50, np.random.default_rng(0))
    assert (inclusion_probability(drawn, np.zeros(20), 1, 20) == 1).all() and len(drawn.listing) == 20


DAYS = 20


def ranks(scorer, log, queries, catalogue):
    return np.concatenate(
        [
            pessimistic_ranks(scorer.score(b), allowed, b.target)
            for _, b, allowed in batches(log, queries, catalogue, 64)
        ]
    )


@pytest.mark.slow
def test_validation_measures_the_model_with_recency_and_lists_have_the_fitted_blend(
    small_market, quick, tmp_path
):
    settings = changed(quick, bf16=False, recency_days=60)
    progress = train(small_market, tmp_path / "run", settings, None)
    run = Run.open(tmp_path / "run")
    fit = run.manifest.settings.blend
    log, catalogue = EventLog.from_market(small_market), Catalogue.of(small_market)
    split = make_split(log, catalogue)
    weights = {"model": 1.0, "recent": settings.training.temperature}
    loss = BlendWeights(weights=weights, scales=dict.fromkeys(weights, 1.0))
    with_recency = Blend(
        loss, {"model": model_scorer(run)}, {"recent": partial(log_events, RecentEvents.over_days(log))}
    )
    found = [recall(scorer, log, split.valid, catalogue) for scorer in (with_recency, model_scorer(run))]
    assert found[0] == pytest.approx(progress.best, abs=0.001)
    assert abs(found[1] - progress.best) > 0.005
    assert fit.queries > 0 and {"model", "attributes", "recent"} <= fit.weights.keys()
    measured = evaluate_run(run, baselines="fast")
    assert fit.note in measured.notes["default ranking"]
    blend = run.recommender().blend
    assert blend.weights == fit and np.array_equal(
        measured.ranks["default ranking"], ranks(blend, log, split.test, catalogue)
    )
    assert "neighbors + recency" in measured.ranks
    assert {item.parts for item in measured.fitted_blends} == {
        "recency",
        "neighbors",
        "neighbors+recency",
        "ids",
    }


def test_without_timestamps_nothing_is_recent(tmp_path, quick):
    pd.DataFrame({"listing_id": list("abc"), "price": [1, 2, 3]}).to_csv(
        tmp_path / "listings.csv", index=False
    )
    pd.DataFrame({"user_id": ["u"] * 6, "listing_id": list("abcabc"), "position": range(6)}).to_csv(
        tmp_path / "events.csv", index=False
    )
    with pytest.raises(VibesError, match=r"training\.recency_days is 20, but the events have no timestamps"):
        train(Market.open(tmp_path), tmp_path / "run", changed(quick, bf16=False, recency_days=DAYS), None)
    assert not (tmp_path / "run").exists()


def test_only_a_reader_of_listing_vectors_has_it():
    with pytest.raises(VibesError, match="needs history = 'listing-vectors', not 'cls'"):
        Resolved.of({"history": "cls", "training": {"late_interaction": 0.5}})


@pytest.mark.slow
def test_a_run_is_trained_and_served_by_the_same_scores(trained, tmp_path):
    settings = Resolved.of(
        {
            "preset": "tiny",
            "inference": "float32",
            "training": {"late_interaction": 0.7, "max_steps": 3, "bf16": False},
        }
    )
    train(trained.market, tmp_path / "run", settings, None)
    assert Manifest.load(tmp_path / "run").settings.training.late_interaction == 0.7
    run = Run.open(tmp_path / "run")
    user = run.log.users[0]
    found = run.recommend(user, k=5, blend="nothing")
    start, end = run.log.start[:1], run.log.start[1:2]
    vectors = run.vectors("model")
    whole = run.engine.encode_histories(run.log, start, end, listings=vectors) @ vectors.T  # (1, L)
    nearest = (vectors[run.log.listing[start[0] : end[0]]] @ vectors.T).max(0)
    rows = [run.row(one) for one in found["listing_id"]]
    np.testing.assert_allclose(found["score"], (whole[0] + 0.7 * nearest)[rows] / 1.7, atol=2e-5)


@pytest.fixture(params=["temporal", "leave-one-out"])
def cls_case(request):
    rng = np.random.default_rng(3)
    listings = pd.DataFrame({C.LISTING: [f"l{n}" for n in range(25)], "price": rng.random(25)})
    events = pd.DataFrame(
        {
            C.USER: rng.choice([f"u{n}" for n in range(20)], 300),
            C.LISTING: rng.choice([f"l{n}" for n in range(25)], 300),
            C.TIMESTAMP: pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, 300), unit="D"),
        }
    )
    market = Market.from_frames(listings, events)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    return log, make_split(log, catalogue, request.param)


def test_every_example_is_that_of_a_loop_over_training_events(cls_case):
    log, split = cls_case
    masked = split.protocol == "temporal"
    examples = make_examples(log, split, positives=3)
    expected = []
    for row in np.flatnonzero(split.train):
        user = log.user[row]
        first, last = log.start[user], log.start[user + 1]
        earlier = [r for r in range(first, last) if (log.time[r] < log.time[row] if masked else r < row)]
        targets = [r for r in range(first, last) if split.train[r]]
        if masked:
            targets = [r for r in targets if log.listing[r] not in log.listing[first:r]]
        if earlier and row in targets:
            following = [log.listing[r] for r in targets if r >= row][:3]
            expected.append((user, len(earlier), [*following, -1, -1, -1][:3]))
    rows = zip(examples.user, examples.end - examples.start, examples.positive.tolist(), strict=True)
    assert list(rows) == expected
    for start, end in zip(examples.start, examples.end, strict=True):
        assert split.train[start:end].all()  # nothing of validation or test


def test_simultaneous_events_are_those_on_different_listings_of_training():
    user = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2])
    time = np.array([1, 1, 2, 3, 3, 1, 5, 5, 1])
    listing = np.array([7, 8, 7, 4, 4, 7, 1, 2, 7])  # user 0 has listing 4 twice at once: no basket
    starts, none = np.array([0, 5, 8, 9]), np.full(9, np.nan)
    log = EventLog(user, listing, time, np.full(9, -1), none, starts, ["a", "b", "c"], [], 9, True)
    for is_training, share in ((np.ones(9, bool), 4 / 9), (time < 5, 2 / 7), (np.zeros(9, bool), 0)):
        assert simultaneous_share(log, is_training) == pytest.approx(share)
    order = shuffled_baskets(log, np.ones(9, bool), np.random.default_rng(0))
    assert sorted(order) == list(range(9)) and order[[2, 5, 8]].tolist() == [2, 5, 8]
    untimed = replace(log, time=np.array([0, 1, 2, 3, 4, 0, 1, 2, 0]), timed=False)
    train = np.arange(9) != 4
    orders = [shuffled_baskets(untimed, train, np.random.default_rng(seed)) for seed in range(9)]
    assert all(np.array_equal(user[order], user) and order[4] == 4 for order in orders)
    assert len({tuple(order[:4]) for order in orders}) > 4, "without timestamps a user is one basket"


def test_joined_markets_have_their_own_users_histories_and_queries(small_market, quick):
    one = TrainingData.of(small_market, quick.split)
    assert TrainingData.joined([one], ["a"]) is one
    both = TrainingData.joined([one, one], ["a", "b"])
    events, listings = len(one.log), one.log.listings
    assert np.array_equal(both.log.listing[events:], one.log.listing + listings)
    assert np.array_equal(np.diff(both.log.start), np.tile(np.diff(one.log.start), 2))
    late = both.split.valid.take(slice(len(one.split.valid), None))
    assert np.array_equal(late.target, one.split.valid.target + listings)
    assert np.array_equal(both.log.listing[late.start], one.log.listing[one.split.valid.start] + listings)
    assert np.array_equal(both.known[len(one.known) :], one.known + listings)
    unwanted = replace(one.log, unwanted=(one.log.actions[0],))  # in one of the markets
    log = TrainingData.joined([one, replace(one, log=unwanted)], ["a", "b"]).log
    assert log.is_positive[:events].all() and np.array_equal(log.is_positive[events:], one.log.action != 0)


def test_the_rule_of_negatives_does_not_depend_on_the_order_of_markets(make_log, always_live):
    def data(listings):  # of each of 40 users
        users = np.repeat(np.arange(40), 8)
        log = make_log(users, np.tile(listings, 40), np.tile(np.arange(8), 40), 8, 40, timed=False)
        catalogue = always_live(log)
        return TrainingData(log, catalogue, make_split(log, catalogue), np.ones(8, int), np.arange(8))

    new, back = data(np.arange(8)), data(np.array([0, 1, 0, 1, 2, 0, 3, 4]))
    assert new.split.valid.masked and not back.split.valid.masked
    for parts in ([new, back], [back, new]):
        split = TrainingData.joined(parts, ["a", "b"]).split
        assert not split.valid.masked and not split.test.masked
