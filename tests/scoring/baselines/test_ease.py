"""EASE's closed form against one ridge regression a listing."""

import numpy as np
import pytest

from listing_vibes.market.splits import make_split
from listing_vibes.scoring.baselines import ease
from listing_vibes.scoring.baselines.ease import Ease
from listing_vibes.scoring.interactions import Interactions, history_matrix


def slow_weights(matrix: np.ndarray, penalty: float) -> np.ndarray:
    """Each column regressed on all others with a ridge penalty, by least squares on augmented rows."""
    count = matrix.shape[1]
    weights = np.zeros((count, count))
    for column in range(count):
        others = np.arange(count) != column
        rows = np.vstack([matrix[:, others], np.sqrt(penalty) * np.eye(count - 1)])
        wanted = np.concatenate([matrix[:, column], np.zeros(count - 1)])
        weights[others, column] = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return weights


@pytest.mark.parametrize("penalty", [1.0, 50.0])
def test_weights_and_scores_are_those_of_the_slow_twin(random_log, always_live, penalty):
    log = random_log(6)
    split = make_split(log, always_live(log))
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
    with pytest.raises(ease.TooManyListings, match="beyond 10 listings with training events it is left out"):
        Ease.fit(Interactions.of(log, np.ones(len(log), bool)))


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan")])
def test_a_penalty_that_may_leave_no_inverse_is_refused(random_log, penalty):
    log = random_log(6)
    with pytest.raises(ValueError, match="must be above 0"):
        Ease.fit(Interactions.of(log, np.ones(len(log), bool)), penalty)
