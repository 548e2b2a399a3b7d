"""Neighbours of the history in a vector space, by loops."""

import numpy as np
import pytest

from core.market.splits import make_split
from core.scoring.interactions import history_matrix
from core.scoring.neighbours import VectorNeighbours
from core.scoring.tuning import DECAYS, recall


def test_scores_are_weighted_mean_cosines_and_empty_rows_are_never_recommended(random_log, always_live):
    log = random_log(8)
    queries = make_split(log, always_live(log)).test
    vectors = np.random.default_rng(0).normal(size=(log.listings, 5)) * 3
    vectors[[2, 5, 11]] = 0
    scores = VectorNeighbours.of(vectors, log, 0.6).score(queries)
    histories = history_matrix(log, queries, 0.6).toarray()
    for row, history in enumerate(histories):
        for listing in range(log.listings):
            if not vectors[listing].any():
                assert scores[row, listing] == -np.inf
                continue
            total = weight = 0.0
            for other in np.flatnonzero(history):
                if vectors[other].any():
                    lengths = np.linalg.norm(vectors[other]) * np.linalg.norm(vectors[listing])
                    total += history[other] * (vectors[other] @ vectors[listing]) / lengths
                    weight += history[other]
            assert scores[row, listing] == pytest.approx(total / weight if weight else 0.0, abs=1e-5)


def test_a_history_of_empty_rows_prefers_nothing(make_log, always_live):
    log = make_log([0, 0], [0, 1], [1, 5], 3, 1)
    queries = make_split(log, always_live(log), "temporal", 5, 5).test
    scores = VectorNeighbours.of(np.array([[0.0, 0], [1, 0], [0, 1]]), log).score(queries)
    assert scores.tolist() == [[-np.inf, 0, 0]]


def test_the_recency_weight_is_the_one_that_validation_likes_best(random_log, always_live):
    log = random_log(9, users=60, listings=120, events=900)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    vectors = np.random.default_rng(1).normal(size=(log.listings, 4))
    reached = {
        decay: recall(VectorNeighbours.of(vectors, log, decay), log, split.valid, catalogue)
        for decay in DECAYS
    }
    assert len(set(reached.values())) > 1
    tuned = VectorNeighbours.tune(vectors, log, split, catalogue, "attributes")
    assert (reached[tuned.decay], tuned.name) == (max(reached.values()), "attributes")


def test_vectors_of_another_catalogue_are_refused(random_log):
    log = random_log(0)
    with pytest.raises(ValueError, match=f"have {log.listings} rows"):
        VectorNeighbours.of(np.ones((3, 2)), log)
    with pytest.raises(ValueError, match="must be finite"):
        VectorNeighbours.of(np.full((log.listings, 2), np.nan), log)
