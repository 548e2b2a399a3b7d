"""Intervals and tests against scipy, exact enumeration and simulation."""

import numpy as np
import pytest
from scipy import stats

from listing_vibes.evaluation import intervals as bootstrap
from listing_vibes.evaluation.intervals import bootstrap_means, holm, interval, paired_estimates, sign_flip_p


def test_interval_agrees_with_scipys_percentile_bootstrap():
    values = np.random.default_rng(1).exponential(size=(80, 1))
    low, high = interval(bootstrap_means(values, resamples=20_000, seed=2))
    theirs = stats.bootstrap(
        (values[:, 0],), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_draws_are_seeded_and_do_not_depend_on_how_many_fit_in_memory(monkeypatch):
    values = np.random.default_rng(1).random((37, 3))
    whole = bootstrap_means(values, 50, seed=4)
    assert np.array_equal(whole, bootstrap_means(values, 50, seed=4))
    assert not np.array_equal(whole, bootstrap_means(values, 50, seed=5))
    monkeypatch.setattr(bootstrap, "CELLS", 37 * 7)
    assert bootstrap_means(values, 50, seed=4) == pytest.approx(whole)


def test_columns_share_their_draws_so_that_a_difference_is_paired():
    first = np.random.default_rng(1).random(200)
    draws = bootstrap_means(np.column_stack([first, first + 0.01]), seed=0)
    assert draws[:, 1] - draws[:, 0] == pytest.approx(np.full(2000, 0.01))


def test_sign_flip_p_value_agrees_with_scipys_permutation_test():
    rng = np.random.default_rng(5)
    a, b = rng.random(60), rng.random(60) + 0.08
    theirs = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=9999, rng=rng
    ).pvalue
    assert sign_flip_p((a - b)[:, None])[0] == pytest.approx(theirs, abs=0.02)


def test_p_values_are_uniform_where_nothing_differs_and_small_where_something_does():
    rng = np.random.default_rng(0)
    null = sign_flip_p(rng.normal(size=(40, 400)), flips=999)
    assert 0.02 <= np.mean(null <= 0.05) <= 0.085
    assert sign_flip_p(rng.normal(1, 1, (60, 1)))[0] == pytest.approx(1 / 10_001)
    assert sign_flip_p(np.zeros((5, 1)))[0] == 1.0


def test_paired_estimates_of_known_values():
    (found,) = paired_estimates(np.full((4, 1), 0.5))
    assert (found["value"], found["low"], found["high"]) == (0.5, 0.5, 0.5)
    (lone,) = paired_estimates(np.array([[0.5]]))
    assert (lone["value"], lone["low"], lone["high"], lone["p_value"]) == (0.5, None, None, 1.0)


def test_holm_is_the_hand_computed_one():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])
    assert holm(np.array([0.02])) == pytest.approx([0.02])
