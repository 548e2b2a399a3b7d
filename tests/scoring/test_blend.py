"""The blend: its sum of features, and weights between those of other markets and those of the market."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from listing_vibes.evaluation.run_evaluation import blends_of, rank_queries
from listing_vibes.market.log import DAY
from listing_vibes.market.splits import Queries, make_split
from listing_vibes.model.settings import BlendWeights
from listing_vibes.scoring import tuning
from listing_vibes.scoring.baselines.ease import Ease
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.blend import Blend, fit_blend, log_age, log_events, moments_of, prior_of
from listing_vibes.scoring.interactions import Interactions
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.scoring.scores import CachedScorer
from listing_vibes.scoring.tuning import best, recall, validation_sample


@pytest.fixture
def setting(random_split):
    return random_split(3, users=60, listings=70, events=900)


class Noise:
    """Random scores, the same for all users; the first listings cannot be recommended."""

    name = "model only"

    def __init__(self, listings: int, closed: int = 0, seed: int = 5, scale: float = 1.0) -> None:
        self.values = scale * np.random.default_rng(seed).normal(size=listings).astype(np.float32)
        self.values[:closed] = -np.inf
        self.calls = 0

    def score(self, batch: Queries) -> np.ndarray:
        self.calls += 1
        return np.tile(self.values, (len(batch), 1))


def test_scores_are_the_weighted_sum_of_features_with_the_mean_for_a_missing_score(setting):
    log, split, _ = setting
    model, ids = Noise(log.listings, closed=4), Ease.fit(Interactions.of(log, split.train))
    recent, batch = RecentEvents.over_days(log, 9), split.test.take(slice(0, 9))
    cold = log.counts(split.train) == 0
    assert cold.any()
    weights = BlendWeights(
        name="all",
        weights={"model": 0.5, "ids": 2.0, "recent": 0.7},
        scales={"model": 0.1, "ids": 4.0, "recent": 1.0},
    )
    scores = Blend(weights, {"model": model, "ids": ids}, {"recent": partial(log_events, recent)}).score(
        batch
    )
    known = ids.score(batch)
    known[:, cold] = known[:, ~cold].mean(axis=1, keepdims=True)
    expected = model.score(batch) + (0.5 * known + 0.7 * np.log1p(recent.counts(batch.at))) / 5
    np.testing.assert_allclose(scores[:, 4:], expected[:, 4:], rtol=1e-4, atol=1e-4)
    assert (scores[:, :4] == -np.inf).all()


@pytest.mark.parametrize("weight", [-1.2, -0.0, 0.0, 0.001])
def test_no_weight_recommends_a_listing_without_a_score_in_the_first_feature(setting, weight):
    log, split, _ = setting
    batch, features = (
        split.test.take(slice(0, 9)),
        {"photos": Noise(log.listings, closed=4), "ids": Noise(log.listings, seed=6)},
    )
    weights = BlendWeights(weights={"photos": weight, "ids": 1.0}, scales={"photos": 0.2, "ids": 1.0})
    scores = Blend(weights, features).score(batch)
    assert (scores[:, :4] == -np.inf).all() and np.isfinite(scores[:, 4:]).all()
    expected = features["photos"].values[4:] * weights.factor("photos") + features["ids"].values[
        4:
    ] * weights.factor("ids")
    np.testing.assert_allclose(scores[0, 4:], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{"scales": {}}, {"scales": {"model": 0.0}}, {"weights": {"model": float("nan")}}, {"weights": {}}],
)
def test_weights_without_a_scale_are_refused(changes):
    with pytest.raises(ValueError, match="the blend 'default ranking' has no"):
        BlendWeights(**{"weights": {"model": 1.0}, "scales": {"model": 1.0}} | changes)


def test_age_is_that_at_the_moment_and_the_mean_for_an_unknown_date():
    since = np.array([0, 10 * DAY, 40 * DAY, np.iinfo(np.int64).min])
    found = log_age(since, np.array([20 * DAY]))
    assert found[0, :3] == pytest.approx(np.log1p([20, 10, 0])) and found[0, 3] == pytest.approx(
        found[0, :3].mean()
    )


class Chosen:
    """The queries of users who choose by a conditional logit over two features."""

    weights = np.array([1.2, -0.6])

    def __init__(self, make_log, always_live, users: int) -> None:
        rng, listings = np.random.default_rng(0), 60
        self.features = {
            name: Noise(listings, seed=seed) for seed, name in enumerate(("model", "attributes"))
        }
        utility = sum(w * item.values for w, item in zip(self.weights, self.features.values(), strict=True))
        noise = rng.gumbel(size=(users, listings))
        order = np.argsort(-(utility + noise), axis=1)[:, :3]  # (U, 3) three events per user
        time = np.arange(3 * users).reshape(3, users).T  # a user's third event is in the last third
        log = make_log(np.repeat(np.arange(users), 3), order.ravel(), time.ravel() * DAY, listings, users)
        self.log, self.catalogue = log, always_live(log)
        split = make_split(log, self.catalogue, "temporal", int(users * DAY), int(2 * users * DAY))
        self.split = split

    def fit(self, count: int) -> BlendWeights:
        split = replace(self.split, valid=self.split.valid.take(slice(0, count)))
        return fit_blend("fitted", self.features, {}, self.log, split, self.catalogue).weights


def test_many_queries_give_the_market_its_weights_and_few_those_of_other_markets(make_log, always_live):
    market = Chosen(make_log, always_live, 2500)
    many, few = market.fit(2000), market.fit(5)
    found, error = (np.array([*part.values()]) for part in (many.alone, many.errors))
    assert (np.abs(found - market.weights) < 4 * error + 0.1).all() and error.max() < 0.1
    assert abs(many.weights["attributes"] - many.alone["attributes"]) < 0.05 and many.queries > few.queries
    mean, _ = prior_of(["model", "attributes"], np.bincount(market.log.user[market.split.train]))
    none = market.fit(0)
    assert none.weights["attributes"] / none.weights["model"] == pytest.approx(mean[1] / mean[0], rel=1e-4)
    assert few.weights["attributes"] > many.weights["attributes"] + 0.2  # other markets want more than 0


def test_a_model_of_more_examples_has_a_greater_weight_in_the_prior():
    names = ["model", "attributes", "recent"]
    little, much, more = (prior_of(names, np.full(users, 3))[0] for users in (100, 30_000, 500_000))
    assert much[0] > little[0] + 0.3 and much[1] < little[1] and much[2] < little[2]
    assert (prior_of(names, np.full(50_000, 3))[0] == more).all()  # beyond the markets of the prior


def test_a_feature_that_other_markets_lack_has_a_weight_and_its_name(random_split):
    log, split, catalogue = random_split(4, users=60, listings=70, events=900)
    values = np.random.default_rng(0).normal(size=(1, log.listings)).astype(np.float32)
    moments = {**moments_of(log, split.train, catalogue), "photo_count": lambda at: values.repeat(len(at), 0)}
    blend = fit_blend("all", {"model": Noise(log.listings)}, moments, log, split, catalogue)
    assert blend.weights.parts == "recency+photo_count" and blend.weights.errors["photo_count"] > 0
    assert [*blend.scores(split.test.take(slice(0, 2))).columns] == ["model", "recent", "photo_count"]


@pytest.mark.parametrize("timed", [True, False])
def test_no_test_query_is_used_and_the_unit_of_scores_does_not_matter(random_split, timed):
    log, split, catalogue = random_split(4, users=60, listings=70, events=900, timed=timed)
    moments = moments_of(log, split.train, catalogue)
    assert list(moments) == ["recent"]
    blind, seeing, scaled = (
        fit_blend("all", {"model": Noise(log.listings, scale=scale)}, moments, log, given, catalogue).weights
        for given, scale in ((replace(split, test=None), 1), (split, 1), (split, 50))
    )
    assert blind == seeing and scaled.weights == pytest.approx(seeing.weights, abs=1e-3)


def test_leave_one_out_is_not_won_by_listings_that_lack_their_held_out_events(make_log, always_live):
    rng = np.random.default_rng(
        0
    )  # Most listings have one event or two, so a target has few that are not held out.
    user, listing = np.repeat(np.arange(200), 4), rng.permutation(np.repeat(np.arange(500), 2))[:800]
    log = make_log(user, listing, np.tile(np.arange(4), 200), 500, 200, timed=False)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    moments = moments_of(log, split.train, catalogue)
    targets, count = split.test.target, next(iter(moments.values()))(split.test.at[:1])[0]
    assert count[targets].mean() < 0.8 * count.mean()
    weights = fit_blend("all", {"model": Noise(log.listings)}, moments, log, split, catalogue).weights
    assert weights.weights["recent"] == weights.alone["recent"] == 0


def test_a_market_where_the_last_days_decide_gets_a_large_weight(make_log, always_live):
    rng = np.random.default_rng(0)  # Every fifty days all users move on to other listings.
    time = np.sort(rng.integers(0, 500, 1500))
    user, listing = rng.integers(0, 150, 1500), time // 50 * 20 + rng.integers(0, 20, 1500)
    log = make_log(user, listing, time * DAY, 200, 150)
    catalogue = always_live(log)
    split, model = make_split(log, catalogue), Noise(200)
    moments = moments_of(log, split.train, catalogue)
    blend = fit_blend("all", {"model": model}, moments, log, split, catalogue)
    assert blend.weights.weights["recent"] > 3 * blend.weights.errors["recent"]
    assert recall(blend, log, split.test, catalogue) > 1.5 * recall(model, log, split.test, catalogue)


def test_a_batch_is_scored_once_for_all_rows_of_the_table(setting):
    log, split, _ = setting
    model = Noise(log.listings)
    cached = CachedScorer(model)
    one, two = split.test.take(slice(0, 5)), split.test.take(slice(5, 9))
    assert cached.score(one) is cached.score(one) and model.calls == 1
    assert cached.score(two).shape == (4, log.listings) and model.calls == 2
    with pytest.raises(ValueError, match="read-only"):
        cached.score(two)[0] = 1


def test_the_table_has_each_blend_with_its_weights(setting):
    log, split, catalogue = setting
    interactions = Interactions.of(log, split.train)
    first = [Popularity.fit(log, split.train), Ease.fit(interactions), ItemKNN.fit(interactions)]
    model = Noise(log.listings)
    near = {"attributes": VectorNeighbors.of(np.random.default_rng(0).normal(size=(log.listings, 4)), log)}
    rows = blends_of(model, first, near, log, split, catalogue)
    assert [row.weights.parts for row in rows] == ["recency", "neighbors", "neighbors+recency", "ids"]
    assert rows[3].weights.ids in {item.name for item in first[1:]} and rows[3].weights.id_settings
    found = rank_queries([model, *rows], log, split, catalogue)
    assert found.to_dict()["notes"][rows[0].name] == rows[0].note
    assert np.array_equal(
        found.ranks["model only"], rank_queries([model], log, split, catalogue).ranks["model only"]
    )
    assert [row.weights.parts for row in blends_of(model, first[:1], {}, log, split, catalogue)] == [
        "recency"
    ]


def test_scores_are_in_the_unit_of_the_first_feature_which_rules_compare_with_cosines():
    weights = BlendWeights(weights={"model": 2.0, "recent": 1.0}, scales={"model": 0.1, "recent": 0.5})
    assert weights.factor("model") == 1 and weights.factor("recent") == pytest.approx(0.1)
    against = BlendWeights(weights={"model": -2.0, "recent": 1.0}, scales={"model": 0.1, "recent": 0.5})
    assert against.factor("model") == -20  # never divided by a weight that is not positive


@pytest.fixture
def tuning_setting(random_split):
    return random_split(10, users=80, listings=80, events=1500)


def test_a_sample_is_seeded_and_never_larger_than_asked(tuning_setting, monkeypatch):
    log, split, _ = tuning_setting
    assert len(validation_sample(split, 0, log.listings)) == len(split.valid)
    monkeypatch.setattr(tuning, "MOST_QUERIES", 20)
    one, again, other = (validation_sample(split, seed, log.listings).event for seed in (0, 0, 1))
    assert len(np.unique(one)) == 20 and np.isin(one, split.valid.event).all()
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_of_many_listings_fewer_queries_are_asked_but_never_too_few(tuning_setting, monkeypatch):
    log, split, _ = tuning_setting
    monkeypatch.setattr(tuning, "LEAST_QUERIES", 5)
    monkeypatch.setattr(tuning, "CELLS", 12 * 3 * log.listings)
    assert len(validation_sample(split, 0, log.listings, trials=3)) == 12
    assert len(validation_sample(split, 0, log.listings, trials=6)) == 6
    assert len(validation_sample(split, 0, log.listings, trials=600)) == 5


def test_the_best_trial_wins_and_the_first_of_equals(tuning_setting):
    log, split, catalogue = tuning_setting
    good = log.counts(np.isin(np.arange(len(log)), split.valid.event)).astype(
        np.float32
    )  # what will be asked for
    trials = [
        Popularity(values, name) for name, values in (("bad", -good), ("good", good), ("same", 2 * good))
    ]
    assert recall(trials[0], log, split.valid, catalogue) < recall(trials[1], log, split.valid, catalogue)
    assert best(iter(trials), log, split.valid, catalogue).name == "good"


def test_recall_is_a_mean_over_users(tuning_setting):
    log, split, catalogue = tuning_setting
    scorer = Popularity.fit(log, split.train)
    hits: dict[int, list[bool]] = {}
    for row in range(len(split.valid)):
        one = split.valid.take(slice(row, row + 1))
        allowed = catalogue.candidates(log, one)[0]
        better = (scorer.counts[allowed] >= scorer.counts[one.target[0]]).sum()
        hits.setdefault(int(one.user[0]), []).append(better <= 30)
    expected = np.mean([np.mean(each) for each in hits.values()])
    assert recall(scorer, log, split.valid, catalogue) == pytest.approx(expected)


LISTINGS = 9


@pytest.fixture(params=["timed", "untimed"])
def recent(request) -> RecentEvents:
    rng = np.random.default_rng(5)
    time = np.sort(rng.integers(0, 30, 60)) * DAY
    listing = rng.integers(0, LISTINGS - 2, 60).astype(np.int32)  # the last two listings have no event
    if request.param == "timed":
        return RecentEvents(7, time, listing, LISTINGS)
    return RecentEvents(None, np.zeros(60, np.int64), listing, LISTINGS)


def test_counts_are_those_of_the_days_strictly_before(recent):
    at = np.array([12, 3, 12, 40]) * DAY
    found = recent.counts(at)
    for row, moment in enumerate(at):
        for listing in range(LISTINGS):
            there = recent.listing == listing
            if recent.days is not None:
                there &= (recent.time < moment) & (recent.time >= moment - 7 * DAY)
            assert found[row, listing] == there.sum()


@pytest.mark.parametrize("asked", [[], [8], [5, 2, 0, 6], [3, 0, 3, 8, 7], list(range(LISTINGS))])
def test_of_a_few_listings_they_are_those_of_all(recent, asked):
    at = np.array([29, 12, 0, 12]) * DAY
    listings = np.array(asked, np.int64)
    assert np.array_equal(recent.counts(at, listings), recent.counts(at)[:, listings])
