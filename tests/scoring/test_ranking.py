"""Ranks and lists, ties included, against plain sorting."""

import numpy as np
import pytest

from listing_vibes.market.splits import make_split
from listing_vibes.scoring import ranking
from listing_vibes.scoring.ranking import batches, pessimistic_ranks, top


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


def test_a_batch_of_a_large_catalogue_has_few_queries(monkeypatch, random_log, always_live):
    monkeypatch.setattr(ranking, "HELD", 100)
    log = random_log(3, users=20, listings=30, events=200)
    queries = make_split(log, always_live(log)).test
    rows = [rows for rows, *_ in batches(log, queries, always_live(log), 256)]
    assert {row.stop - row.start for row in rows[:-1]} == {3} and rows[-1].stop == len(queries)
