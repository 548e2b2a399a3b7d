"""Neighbours of the history in a vector space, by loops."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.market.splits import make_split
from listing_vibes.scoring.interactions import history_matrix
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.scorer import CachedScorer
from listing_vibes.scoring.tuning import DECAYS, recall


def test_scores_are_weighted_mean_cosines_and_empty_rows_are_never_recommended(random_log, always_live):
    log = random_log(8)
    queries = make_split(log, always_live(log)).test
    vectors = np.random.default_rng(0).normal(size=(log.listings, 5)) * 3
    vectors[[2, 5, 11]] = 0
    scores = VectorNeighbors.of(vectors, log, 0.6).score(queries)
    histories = history_matrix(log, queries.start, queries.end, 0.6).toarray()
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


def test_the_nearest_listing_of_a_history_may_count_alone(random_log, always_live):
    log = random_log(8)
    queries = make_split(log, always_live(log)).test
    vectors = np.random.default_rng(0).normal(size=(log.listings, 5)) * 3
    vectors[[2, 5, 11]] = 0
    scores = VectorNeighbors.of(vectors, log, nearest=True).score(queries)
    length = np.linalg.norm(vectors, axis=1)
    for row, (start, end) in enumerate(zip(queries.start, queries.end, strict=True)):
        speaks = [other for other in log.listing[start:end] if length[other]]
        for listing in range(log.listings):
            if not length[listing]:
                assert scores[row, listing] == -np.inf
                continue
            cosines = [vectors[one] @ vectors[listing] / length[one] / length[listing] for one in speaks]
            assert scores[row, listing] == pytest.approx(max(cosines, default=-1.0), abs=1e-5)


def test_nearest_is_chosen_where_a_history_holds_several_things(make_log, always_live):
    """Who buys coats and socks in turn; and things halfway between any two kinds, which nobody buys, are like the mean."""
    pairs = list(combinations(range(6), 2))
    between = np.repeat([np.eye(6)[[one, other]].sum(axis=0) for one, other in pairs], 40, axis=0)
    vectors = np.concatenate([np.repeat(np.eye(6), 10, axis=0), between])  # (660, 6)
    touched = [10 * pair[place % 2] + place for pair in pairs for place in range(8)]
    user, time = np.repeat(np.arange(len(pairs)), 8), np.tile(np.arange(8), len(pairs))
    log = make_log(user, touched, time, len(vectors), len(pairs))
    split = make_split(log, always_live(log), "leave-one-out")
    tuned = VectorNeighbors.tune(vectors, log, split, always_live(log))
    assert tuned.nearest
    found = evaluate([CachedScorer(tuned)], log, split, always_live(log))
    assert found.notes == {"neighbors": "by the nearest listing of a history"}
    assert recall(tuned, log, split.valid, always_live(log)) == 1
    assert recall(replace(tuned, nearest=False), log, split.valid, always_live(log)) == 0


def test_the_recency_weight_is_the_one_that_validation_likes_best(random_log, always_live):
    log = random_log(9, users=60, listings=120, events=900)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    vectors = np.random.default_rng(1).normal(size=(log.listings, 4))
    reached = {
        decay: recall(VectorNeighbors.of(vectors, log, decay), log, split.valid, catalogue)
        for decay in DECAYS
    }
    assert len(set(reached.values())) > 1
    tuned = VectorNeighbors.tune(vectors, log, split, catalogue, "attributes")
    assert (reached[tuned.decay], tuned.name) == (max(reached.values()), "attributes")


def test_vectors_of_another_catalogue_are_refused(random_log):
    log = random_log(0)
    with pytest.raises(ValueError, match=f"have {log.listings} rows"):
        VectorNeighbors.of(np.ones((3, 2)), log)
    with pytest.raises(ValueError, match="must be finite"):
        VectorNeighbors.of(np.full((log.listings, 2), np.nan), log)
