"""Implicit ALS against the normal equations written out."""

import math

import numpy as np
import pytest
from scipy import sparse

from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.market.splits import make_split
from listing_vibes.scoring.baselines import LeftOut, ease, first_level, itemknn, sparse_ease
from listing_vibes.scoring.baselines.als import Als
from listing_vibes.scoring.baselines.ease import Ease
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.baselines.sparse_ease import SparseEase
from listing_vibes.scoring.interactions import Interactions, history_matrix

REGULARIZATION, ALPHA = 0.5, 6.0


def solve(factors: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """One row of the other side: minimise sum of c (p - x y)^2 + lambda |x|^2, with c = 1 where nothing was touched."""
    weight = np.where(confidence > 0, confidence, 1.0)
    left = factors.T @ (weight[:, None] * factors) + REGULARIZATION * np.eye(factors.shape[1])
    return np.linalg.solve(left, factors.T @ (weight * (confidence > 0)))


def loss(confidence: np.ndarray, users: np.ndarray, listings: np.ndarray) -> float:
    weight = np.where(confidence > 0, confidence, 1.0)
    miss = (weight * ((confidence > 0) - users @ listings.T) ** 2).sum()
    return miss + REGULARIZATION * ((users**2).sum() + (listings**2).sum())


@pytest.fixture
def fitted(random_split):
    log, split, _ = random_split(7, users=60, events=600)
    interactions = Interactions.of(log, split.train)
    return split, interactions, Als.fit(interactions, 6, REGULARIZATION, ALPHA, decay=0.7, seed=3)


def test_users_are_solved_from_their_history_at_the_moment(fitted):
    split, interactions, model = fitted
    histories = interactions.histories(split.test, 0.7).toarray()
    listings = model.model.item_factors.astype(float)
    expected = np.stack([solve(listings, ALPHA * row) @ listings.T for row in histories])
    scores = model.score(split.test)
    assert scores[:, interactions.warm] == pytest.approx(expected, abs=1e-3)
    cold = np.setdiff1d(np.arange(interactions.log.listings), interactions.warm)
    assert len(cold) and (scores[:, cold] == -np.inf).all()


def test_training_reaches_the_loss_of_a_slow_twin(fitted):
    _, interactions, model = fitted
    confidence = ALPHA * interactions.matrix.toarray().astype(float)
    rng = np.random.default_rng(0)
    users = rng.random((confidence.shape[0], 6)) * 0.01
    listings = rng.random((confidence.shape[1], 6)) * 0.01
    start = loss(confidence, users, listings)
    for _ in range(15):
        users = np.stack([solve(listings, row) for row in confidence])
        listings = np.stack([solve(users, row) for row in confidence.T])
    slow = loss(confidence, users, listings)
    ours = loss(confidence, model.model.user_factors, model.model.item_factors)
    assert slow < 0.6 * start
    assert ours == pytest.approx(slow, rel=0.05)


def test_a_seed_determines_the_scores(fitted):
    split, interactions, model = fitted
    again, other = (Als.fit(interactions, 6, REGULARIZATION, ALPHA, 0.7, seed=seed) for seed in (3, 4))
    assert np.array_equal(again.score(split.test), model.score(split.test))
    assert not np.array_equal(other.score(split.test), model.score(split.test))


def slow_weights(matrix: np.ndarray, penalty: float, most: int | None = None) -> np.ndarray:
    """Each column regressed with a ridge penalty, by least squares on augmented rows, on the `most` it has the largest covariance
    with, or on all others."""
    users, count = matrix.shape
    weights = np.zeros((count, count))
    for column in range(count):
        both = matrix.T @ matrix[:, column]
        covariance = both - matrix.sum(axis=0) * matrix[:, column].sum() / users
        covariance[((both == 0) & (most is not None)) | (np.arange(count) == column)] = -np.inf
        near = [row for row in np.argsort(-covariance)[:most] if covariance[row] > -np.inf]
        rows = np.vstack([matrix[:, near], np.sqrt(penalty) * np.eye(len(near))])
        wanted = np.concatenate([matrix[:, column], np.zeros(len(near))])
        weights[near, column] = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return weights


@pytest.mark.parametrize("penalty", [1.0, 50.0])
def test_weights_and_scores_are_those_of_the_slow_twin(random_split, penalty):
    log, split, _ = random_split(6)
    interactions = Interactions.of(log, split.train)
    fitted = Ease.fit(interactions, penalty, decay=0.7)
    weights = slow_weights(interactions.matrix.toarray().astype(float), penalty)
    assert fitted.weights == pytest.approx(weights, abs=1e-5)
    scores = fitted.score(split.test)
    expected = (
        history_matrix(log, split.test.start, split.test.end, 0.7).toarray()[:, interactions.warm] @ weights
    )
    assert scores[:, interactions.warm] == pytest.approx(expected, abs=1e-5)
    cold = log.counts(split.train) == 0
    assert cold.any() and (scores[:, cold] == -np.inf).all()


def test_a_catalogue_too_large_is_refused_with_the_reason(random_log, monkeypatch):
    monkeypatch.setattr(ease, "MOST_LISTINGS", 10)
    log = random_log(6)
    with pytest.raises(LeftOut, match="beyond 10 listings with training events it is left out"):
        Ease.fit(Interactions.of(log, np.ones(len(log), bool)))


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan")])
def test_a_penalty_that_may_leave_no_inverse_is_refused(random_log, penalty):
    log = random_log(6)
    with pytest.raises(ValueError, match="must be above 0"):
        Ease.fit(Interactions.of(log, np.ones(len(log), bool)), penalty)


def slow_similarity(log, train, shrink: float) -> np.ndarray:
    users = [set(log.user[train & (log.listing == listing)].tolist()) for listing in range(log.listings)]
    found = np.zeros((log.listings, log.listings))
    for i in range(log.listings):
        for j in range(log.listings):
            if i != j and users[i] and users[j]:
                both = len(users[i] & users[j])
                found[i, j] = both / (math.sqrt(len(users[i]) * len(users[j])) + shrink)
    return found


@pytest.mark.parametrize("shrink", [0.0, 7.0])
@pytest.mark.parametrize("block", [4, 1024])
def test_scores_are_those_of_the_slow_twin(random_split, monkeypatch, shrink, block):
    monkeypatch.setattr(itemknn, "BLOCK", block)
    log, split, _ = random_split(4)
    scores = ItemKNN.fit(Interactions.of(log, split.train), shrink, decay=0.6).score(split.test)
    expected = history_matrix(log, split.test.start, split.test.end, 0.6).toarray() @ slow_similarity(
        log, split.train, shrink
    )
    cold = log.counts(split.train) == 0
    assert cold.any() and (scores[:, cold] == -np.inf).all()
    assert scores[:, ~cold] == pytest.approx(expected[:, ~cold], abs=1e-5)


def test_a_limit_keeps_the_strongest_neighbours_of_each_listing(random_split):
    log, split, _ = random_split(5)
    interactions = Interactions.of(log, split.train)
    full = ItemKNN.fit(interactions, 5.0)
    few = ItemKNN.fit(interactions, 5.0, neighbors=4)
    kept = few.weights.toarray()
    for row in range(len(kept)):
        assert sorted(kept[row][kept[row] > 0]) == pytest.approx(
            sorted(full.weights[row][full.weights[row] > 0])[-4:]
        )
        assert np.isin(kept[row][kept[row] > 0], full.weights[row]).all()
    assert few.score(split.test).shape == full.score(split.test).shape
    everything = ItemKNN.fit(interactions, 5.0, neighbors=log.listings)
    assert everything.score(split.test) == pytest.approx(full.score(split.test), abs=1e-6)


@pytest.mark.parametrize("penalty", [1.0, 50.0])
def test_sparse_weights_and_scores_are_those_of_the_slow_twin(random_split, penalty):
    log, split, _ = random_split(6, users=90, listings=50, events=700)
    interactions = Interactions.of(log, split.train)
    fitted = SparseEase.fit(interactions, penalty, decay=0.7, neighbors=50)
    matrix = interactions.matrix.toarray().astype(float)
    assert fitted.weights.toarray() == pytest.approx(slow_weights(matrix, penalty, 50), abs=1e-5)
    scores = fitted.score(split.test)
    expected = (
        history_matrix(log, split.test.start, split.test.end, 0.7)[:, interactions.warm] @ fitted.weights
    )
    assert scores[:, interactions.warm] == pytest.approx(expected.toarray(), abs=1e-6)
    cold = log.counts(split.train) == 0
    assert (scores[:, cold] == -np.inf).all() and np.isfinite(scores[:, ~cold]).all()


def test_with_all_listings_as_neighbours_it_is_ease(random_log):
    touched = np.random.default_rng(0).random((60, 20)) < 0.4
    interactions = Interactions(
        random_log(8), sparse.csr_array(touched.astype(np.float32)), np.arange(20, dtype=np.int64)
    )
    assert (interactions.cooccurrence().toarray() > 0).all()
    found = SparseEase.fit(interactions, 30.0).weights.toarray()
    assert found == pytest.approx(Ease.fit(interactions, 30.0).weights, abs=1e-5)


def test_penalties_and_logs_that_cannot_be_solved_are_refused(random_log, always_live, monkeypatch):
    log = random_log(6)
    interactions = Interactions.of(log, make_split(log, always_live(log)).train)
    with pytest.raises(ValueError, match="above 0"):
        SparseEase.fit(interactions, 0.0)
    monkeypatch.setattr(sparse_ease, "MOST_PAIRS", 10)
    with pytest.raises(sparse_ease.TooManyPairs):
        SparseEase.fit(interactions)


@pytest.mark.slow
def test_it_stands_in_for_ease_in_a_large_catalogue_and_says_so(random_split, monkeypatch):
    log, split, catalogue = random_split(11)
    monkeypatch.setattr(ease, "MOST_LISTINGS", 10)
    left_out: dict[str, str] = {}
    scorers = first_level(log, split, catalogue, left_out=left_out)
    names = [scorer.name for scorer in scorers]
    assert "sparse EASE" in names and "EASE" not in names and left_out == {"EASE": "too many listings"}
    found = rank_queries(scorers, log, split, catalogue)
    assert "not by all" in found.notes["sparse EASE"]
    monkeypatch.setattr(sparse_ease, "MOST_PAIRS", 10)
    names = [scorer.name for scorer in first_level(log, split, catalogue, left_out=left_out)]
    assert "sparse EASE" not in names and left_out["sparse EASE"] == "too many events"
    fast: dict[str, str] = {}
    first_level(log, split, catalogue, slow_too=False, left_out=fast)
    assert fast == {"EASE": "takes long", "ALS": "takes long"}
