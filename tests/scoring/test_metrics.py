"""Metrics against values worked out by hand, and the coverage interval against simulated markets."""

import math

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.scoring import ranking
from listing_vibes.scoring.interactions import Interactions, history_matrix
from listing_vibes.scoring.ranking import batches, pessimistic_ranks, top
from listing_vibes.scoring.ranking_metrics import METRICS, Coverage, per_query, user_means


def test_metrics_of_a_rank_are_the_hand_computed_ones():
    values = dict(zip(METRICS, per_query(np.array([1, 10, 11, 30, 31, 100, 101])).T, strict=True))
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


def test_every_tie_counts_against_the_target():
    scores = np.array([[3.0, 2, 2, 2, 1], [0, 0, 0, 0, 0], [1, 5, 9, 5, 5]], np.float32)
    allowed = np.ones((3, 5), bool)
    allowed[2, 2] = False
    assert pessimistic_ranks(scores, allowed, np.array([1, 4, 0])).tolist() == [4, 5, 4]


def test_a_target_that_cannot_be_recommended_is_last():
    scores = np.array([[-np.inf, 0.5, -np.inf, -3.0]], np.float32)
    assert pessimistic_ranks(scores, np.ones((1, 4), bool), np.array([0])).tolist() == [4]


def test_a_target_that_is_no_candidate_stands_behind_them_all():
    scores = np.array([[3.0, 9.0, 2.0, 1.0]], np.float32)
    assert pessimistic_ranks(scores, np.array([[True, False, True, True]]), np.array([1])).tolist() == [4]


@pytest.mark.parametrize("k", [1, 3, 7, 12, 20])
def test_lists_are_those_of_a_stable_sort(k):
    rng = np.random.default_rng(k)
    scores = rng.integers(0, 4, (60, 12)).astype(np.float32)
    scores[rng.random((60, 12)) < 0.2] = -np.inf
    allowed = rng.random((60, 12)) < 0.7
    rows, listings = top(scores, allowed, k)
    for row in range(60):
        open_rows = [i for i in range(12) if allowed[row, i] and scores[row, i] > -np.inf]
        expected = sorted(open_rows, key=lambda i, row=row: (-scores[row, i], i))[:k]
        assert listings[rows == row].tolist() == sorted(expected)


def test_a_batch_of_a_large_catalogue_has_few_queries(monkeypatch, random_split, always_live):
    monkeypatch.setattr(ranking, "MOST_SCORES", 100)
    log, split, _ = random_split(3, users=20, listings=30, events=200)
    queries = split.test
    rows = [rows for rows, *_ in batches(log, queries, always_live(log), 256)]
    assert {row.stop - row.start for row in rows[:-1]} == {3} and rows[-1].stop == len(queries)


@pytest.mark.parametrize("seed", range(3))
def test_histories_count_a_listing_once_at_its_newest_touch(random_split, seed):
    log, split, _ = random_split(seed)
    queries = split.test
    matrix = history_matrix(log, queries.start, queries.end, 0.8).toarray()
    for row in range(len(queries)):
        seen: list[int] = []
        for event in range(queries.end[row] - 1, queries.start[row] - 1, -1):
            if log.listing[event] not in seen:
                seen.append(int(log.listing[event]))
        expected = np.zeros(log.listings)
        for age, listing in enumerate(seen):
            expected[listing] = 0.8**age
        assert matrix[row] == pytest.approx(expected)


def test_interactions_hold_warm_listings_and_users_of_training_only(random_split):
    log, split, _ = random_split(2)
    found = Interactions.of(log, split.train)
    pairs = {(int(u), int(i)) for u, i in zip(log.user[split.train], log.listing[split.train], strict=True)}
    warm = sorted({listing for _, listing in pairs})
    users = sorted({user for user, _ in pairs})
    assert found.warm.tolist() == warm and len(warm) < log.listings
    table = found.matrix.toarray()
    assert table.shape == (len(users), len(warm)) and set(np.unique(table)) == {0, 1}
    assert {(users[row], warm[column]) for row, column in np.argwhere(table)} == pairs


def test_without_training_events_there_is_nothing_to_learn_from(random_log):
    log = random_log(0)
    with pytest.raises(VibesError, match="No event is before the end of training"):
        Interactions.of(log, np.zeros(len(log), bool))
