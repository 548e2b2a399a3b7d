"""What serving adds, by loops, and that it is fitted on validation only."""

from dataclasses import replace

import numpy as np
import pytest

from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.evaluation.run_evaluation import SHARES, with_serving
from listing_vibes.market.splits import Queries, make_split
from listing_vibes.scoring.baselines.ease import Ease
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.blend import (
    WEIGHTS,
    WINDOWS,
    Blend,
    CachedScorer,
    standardize,
    tune_partner,
    tune_recency,
)
from listing_vibes.scoring.interactions import Interactions
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.scoring.tuning import recall


@pytest.fixture
def setting(random_log, always_live):
    log = random_log(3, users=60, listings=70, events=900)
    catalogue = always_live(log)
    return log, make_split(log, catalogue), catalogue


class Noise:
    """Scores without any sense, the same for a listing whoever asks; the first listings cannot be recommended."""

    name = "model only"

    def __init__(self, listings: int, closed: int = 0) -> None:
        self.values = np.random.default_rng(5).normal(size=listings).astype(np.float32)
        self.values[:closed] = -np.inf
        self.asked = 0

    def score(self, batch: Queries) -> np.ndarray:
        self.asked += 1
        return np.tile(self.values, (len(batch), 1))


def test_standardised_rows_have_mean_0_and_deviation_1_over_what_is_known():
    scores = np.array([[1.0, 2, 3, -np.inf], [5, 5, 5, 5], [-np.inf] * 4], np.float32)
    found = standardize(scores)
    assert found[0, :3] == pytest.approx([-(1.5**0.5), 0, 1.5**0.5]) and found[0, 3] == -np.inf
    assert found[1].tolist() == [0, 0, 0, 0] and (found[2] == -np.inf).all()


def test_a_blend_is_a_weighted_sum_in_which_an_id_model_has_no_opinion_on_cold_listings(setting):
    log, split, _ = setting
    model, ease = Noise(log.listings, closed=4), Ease.fit(Interactions.of(log, split.train))
    near = Noise(log.listings)
    near.values = near.values[::-1].copy()
    recent, batch = RecentEvents.over_days(log, 9), split.test.take(slice(0, 9))
    cold = log.counts(split.train) == 0
    assert cold.any()
    scores = Blend("all", model, near, 0.5, ease, 2.0, recent, 0.7).score(batch)
    ids = standardize(ease.score(batch))
    ids[:, cold] = 0
    expected = standardize(standardize(model.score(batch)) + 0.5 * standardize(near.score(batch))) + 2 * ids
    expected += 0.7 * np.log1p(recent.counts(batch.at))
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert (scores[:, :4] == -np.inf).all()
    plain = Blend("recent", model, recent=recent, weight=0.7).score(batch)
    np.testing.assert_allclose(plain, model.score(batch) + 0.7 * np.log1p(recent.counts(batch.at)), atol=1e-5)


def reached(scorer, log, split, catalogue) -> float:
    """What tuning maximises on validation, by a loop over queries."""
    found: dict[int, list[float]] = {}
    for row in range(len(split.valid)):
        one = split.valid.take(slice(row, row + 1))
        scores, allowed = scorer.score(one)[0], catalogue.candidates(log, one)[0]
        rank = (scores[allowed] >= scores[one.target[0]]).sum()
        found.setdefault(int(one.user[0]), []).append(1 / (1 + (rank / 30) ** 4))
    return float(np.mean([np.mean(each) for each in found.values()]))


def test_the_prior_is_the_best_window_and_weight_on_validation(setting):
    log, split, catalogue = setting
    model = Noise(log.listings)
    tuned = tune_recency([model], log, split, catalogue)
    assert tuned.recent.days in WINDOWS and tuned.weight > 0
    best = reached(tuned, log, split, catalogue)
    for days in WINDOWS:
        for weight in (0.0, tuned.weight):
            other = replace(tuned, recent=RecentEvents.over_days(log, days), weight=weight)
            assert best >= reached(other, log, split, catalogue)


def test_a_market_where_the_last_days_decide_gets_a_large_weight(make_log, always_live):
    """Every five days another five listings are touched, by everybody."""
    rng = np.random.default_rng(0)
    time = np.sort(rng.integers(0, 200, 1500))
    user, listing = rng.integers(0, 150, 1500), time // 5 % 40 * 5 + rng.integers(0, 5, 1500)
    log = make_log(user, listing, time * 24 * 3600 * 10**9, 200, 150)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    model = Noise(log.listings)
    tuned = tune_recency([model], log, split, catalogue)
    assert tuned.weight > 0 and tuned.recent.days == min(WINDOWS)
    assert recall(tuned, log, split.test, catalogue) > 2 * recall(model, log, split.test, catalogue)


@pytest.mark.parametrize("timed", [True, False])
def test_nothing_is_fitted_on_the_test_queries(random_log, always_live, timed):
    log = random_log(4, users=60, listings=70, events=900, timed=timed)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    other = Ease.fit(Interactions.of(log, split.train))
    for tune in (
        lambda s: tune_recency([Noise(log.listings)], log, s, catalogue),
        lambda s: tune_partner([Noise(log.listings)], [other], log, s, catalogue),
    ):
        blind, seeing = tune(replace(split, test=None)), tune(split)  # whoever looks at them fails
        assert (blind.weight, blind.share) == (seeing.weight, seeing.share)
        nothing = tune(replace(split, valid=split.valid.take(slice(0, 0))))
        assert nothing.weight == nothing.share == 0


@pytest.mark.slow
def test_a_blend_takes_the_best_partner_and_weight_on_validation(setting):
    log, split, catalogue = setting
    model, knn = Noise(log.listings), ItemKNN.fit(Interactions.of(log, split.train))
    ignorant = Noise(log.listings)
    tuned = tune_partner([model], [ignorant, knn], log, split, catalogue, are_ids=True)
    found = [reached(replace(tuned, id_share=weight), log, split, catalogue) for weight in WEIGHTS]
    assert tuned.ids is knn and tuned.id_share == WEIGHTS[int(np.argmax(found))]
    assert max(found) > found[0]


def test_a_batch_is_scored_once_for_all_rows_of_the_table(setting):
    log, split, _ = setting
    model = Noise(log.listings)
    kept = CachedScorer(model)
    one, two = split.test.take(slice(0, 5)), split.test.take(slice(5, 9))
    assert kept.score(one) is kept.score(one) and model.asked == 1
    assert kept.score(two).shape == (4, log.listings) and model.asked == 2
    with pytest.raises(ValueError, match="read-only"):
        kept.score(two)[0] = 1


def test_the_models_own_row_stays_what_it_is(setting):
    log, split, catalogue = setting
    interactions = Interactions.of(log, split.train)
    first = [Popularity.fit(log, split.train), Ease.fit(interactions), ItemKNN.fit(interactions)]
    model = Noise(log.listings)
    together = np.zeros((log.listings, len(log.users)))  # who touched it: a space that knows something
    together[log.listing[split.train], log.user[split.train]] = 1
    near = [VectorNeighbors.of(np.ones((log.listings, 1)), log), VectorNeighbors.of(together, log)]
    rows = with_serving(model, first, near, log, split, catalogue)
    assert [row.name for row in rows] == [
        "model only",
        "model + recency",
        "model + neighbors",
        "model + neighbors + recency",
        "model + ids",
    ]
    assert np.array_equal(rows[0].score(split.test), model.score(split.test))
    found = evaluate(rows, log, split, catalogue)
    assert f"model + ids = {rows[4].note}" in found.table()
    assert rows[4].note.endswith(f"+ {rows[4].id_share:.3g} x {rows[4].ids.name}, both standardized")
    assert found.to_dict()["notes"]["model + recency"].endswith(f"last {rows[1].recent.days} days)")
    both = rows[3]
    assert both.neighbors.scorer is near[1] and both.share in SHARES and both.recent.days in WINDOWS
    assert rows[2].neighbors in near and rows[4].ids in first[1:] and rows[4].id_share > 0
    assert [row.name for row in with_serving(model, first[:1], [], log, split, catalogue)] == [
        "model only", "model + recency",
    ]  # fmt: skip
