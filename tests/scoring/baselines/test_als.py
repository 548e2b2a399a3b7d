"""Implicit ALS against the normal equations written out."""

import numpy as np
import pytest

from listing_vibes.market.splits import make_split
from listing_vibes.scoring.baselines.als import Als
from listing_vibes.scoring.interactions import Interactions

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
def fitted(random_log, always_live):
    log = random_log(7, users=60, events=600)
    split = make_split(log, always_live(log))
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
