"""Metrics against values worked out by hand, and the coverage interval against simulated markets."""

import math

import numpy as np
import pytest

from listing_vibes.scoring.metrics import Coverage, Cutoffs, per_query, user_means


def test_metrics_of_a_rank_are_the_hand_computed_ones():
    values = dict(zip(Cutoffs().names, per_query(np.array([1, 10, 11, 30, 31, 100, 101])).T, strict=True))
    assert values["recall@10"].tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert values["recall@30"].tolist() == [1, 1, 1, 1, 0, 0, 0]
    assert values["recall@100"].tolist() == [1, 1, 1, 1, 1, 1, 0]
    ndcg10 = [1, 1 / math.log2(11), 0, 0, 0, 0, 0]
    assert values["ndcg@10"] == pytest.approx(ndcg10)
    assert values["ndcg@30"] == pytest.approx([*ndcg10[:2], 1 / math.log2(12), 1 / math.log2(31), 0, 0, 0])
    assert values["mrr"] == pytest.approx([1, 1 / 10, 1 / 11, 1 / 30, 1 / 31, 1 / 100, 1 / 101])


def test_a_user_with_many_queries_counts_once():
    values = np.array([[1.0], [0.0], [0.0], [0.0], [1.0]])
    user = np.array([7, 3, 3, 3, 3])  # user 3: one hit in four; user 7: one in one
    means = user_means(values, user)
    assert means.tolist() == [[0.25], [1.0]]
    assert means.mean() == 0.625  # a mean over queries would say 0.4


def test_coverage_counts_listings_of_any_list_among_those_that_were_ever_candidates():
    coverage = Coverage(6)
    allowed = np.ones((2, 6), bool)
    allowed[:, 5] = False  # never a candidate
    coverage.add(np.array([4, 4, 9, 9]), np.array([0, 1, 1, 2]), allowed)
    coverage.add(np.array([4, 4]), np.array([0, 2]), allowed[:1])
    assert coverage.value == 3 / 5
    # without user 4 listing 0 falls away, without user 9 none does: jackknife variance 1/2 * (1/2)^2 * 2 listings^2
    low, high = coverage.interval(np.array([4, 9]))
    assert (low, high) == pytest.approx((3 / 5 - 1.96 * 0.5 / 5, 3 / 5 + 1.96 * 0.5 / 5))
    assert coverage.interval(np.array([4])) == (None, None)


def test_coverage_interval_holds_the_expected_coverage_at_least_nine_times_in_ten():
    rng = np.random.default_rng(0)
    users, listings, k = 60, 200, 10
    taste = -0.8 * np.log(np.arange(1, listings + 1))
    found = []
    for _ in range(150):
        lists = np.argsort(-(taste + rng.gumbel(size=(users, listings))), axis=1)[:, :k]
        coverage = Coverage(listings)
        coverage.add(np.repeat(np.arange(users), k), lists.ravel(), np.ones((users, listings), bool))
        found.append((coverage.value, *coverage.interval(np.arange(users))))
    value, low, high = np.array(found).T
    inside = (low <= value.mean()) & (value.mean() <= high)
    assert inside.mean() > 0.9
    assert (high - low).mean() < 4 * 1.96 * value.std()  # wide, but not uselessly so
